#include "node/service_manager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "base/format.h"
#include "store/testing/store_world.h"

namespace selvedge::node {
namespace {

using ::testing::HasSubstr;

// What systemd has: a datagram socket.
class Manager {
 public:
  explicit Manager(std::string name) : name_(std::move(name)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::ranges::copy(name_, static_cast<char*>(address.sun_path));
    const bool abstract = name_.front() == '@';
    if (abstract) {
      address.sun_path[0] = '\0';
    }
    const std::size_t length = offsetof(sockaddr_un, sun_path) + name_.size() + (abstract ? 0 : 1);
    const void* const pointer = &address;
    EXPECT_EQ(
        ::bind(fd_.get(), static_cast<const sockaddr*>(pointer), static_cast<socklen_t>(length)),
        0);
  }
  const std::string& name() const { return name_; }
  // Empty: nothing was said.
  std::string said() {
    std::array<char, 512> buffer{};
    const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return count < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(count));
  }

 private:
  std::string name_;
  base::UniqueFd fd_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

void check_conversation(Manager& manager) {
  const auto connected = ServiceManager::connect(manager.name(), "3000000");
  ASSERT_TRUE(connected.has_value()) << connected.error().message();
  EXPECT_EQ(connected->watchdog(), std::chrono::seconds(3));
  connected->ready("Serving");
  EXPECT_EQ(manager.said(), fmt::format("READY=1\nMAINPID={}\nSTATUS=Serving", ::getpid()));
  connected->reloading(base::MonotonicTime(std::chrono::milliseconds(12)));
  EXPECT_EQ(manager.said(), "RELOADING=1\nMONOTONIC_USEC=12000");
  connected->alive();
  EXPECT_EQ(manager.said(), "WATCHDOG=1");
  connected->main_pid(77);
  EXPECT_EQ(manager.said(), "MAINPID=77");
  connected->stopping(std::chrono::seconds(2));
  EXPECT_THAT(manager.said(), HasSubstr("STOPPING=1\nEXTEND_TIMEOUT_USEC=2000000"));
}

TEST(ServiceManagerTest, IsToldThroughASocketOnTheDisk) {
  const store::testing::TemporaryFolder folder;
  Manager manager((folder.path() / "notify").string());
  check_conversation(manager);
}

TEST(ServiceManagerTest, IsToldThroughAnAbstractSocket) {
  Manager manager(fmt::format("@selvedge-test-{}", ::getpid()));
  check_conversation(manager);
}

TEST(ServiceManagerTest, WithoutOne_NothingIsSaid) {
  const auto none = ServiceManager::connect("", "3000000");
  ASSERT_TRUE(none.has_value());
  none->ready("x");
  EXPECT_EQ(none->watchdog(), std::nullopt);
}

TEST(ServiceManagerTest, WithoutAWatchdog_NobodyExpectsToHear) {
  const store::testing::TemporaryFolder folder;
  const Manager manager((folder.path() / "notify").string());
  EXPECT_EQ(ServiceManager::connect(manager.name(), "").value().watchdog(), std::nullopt);
  EXPECT_EQ(ServiceManager::connect(manager.name(), "0").value().watchdog(), std::nullopt);
}

TEST(ServiceManagerTest, WhatIsNoSocket_IsNamed) {
  for (const std::string name : {"relative", "@", "vsock:1:2"}) {
    const auto refused = ServiceManager::connect(name, "");
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message(), HasSubstr("NOTIFY_SOCKET=" + name));
  }
  EXPECT_FALSE(ServiceManager::connect("/nonexistent/notify", "").has_value());
}

}  // namespace
}  // namespace selvedge::node
