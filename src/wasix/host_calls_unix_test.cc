// Unix sockets whose names are files of the guest.

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "wasix/abi_socket.h"
#include "wasix/fs_memory.h"
#include "wasix/loopback_network.h"
#include "wasix/testing/file_systems.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/wasix_guest.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::errno_of;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kPath = 1536;
constexpr std::uint32_t kAddress = 2048;
constexpr std::uint32_t kIovecs = 3072;
constexpr std::uint32_t kData = 8192;
constexpr std::uint64_t kUnix = 3;
constexpr std::uint64_t kStream = 1;
constexpr std::uint64_t kDgram = 2;

class UnixCallsTest : public ::testing::Test {
 protected:
  // `guest_path`: of the directory that it is given; empty: none.
  void start(std::string_view guest_path, Rights rights = Rights::kAll) {
    files_ =
        (*MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr}))->open_root();
    ASSERT_TRUE(files_->make_directory("run"));
    ProcessOptions options{.network = std::make_shared<LoopbackNetwork>(machine_.reactor())};
    if (!guest_path.empty()) {
      options.preopens.push_back(
          {.guest_path = std::string(guest_path), .directory = files_, .rights_base = rights});
    }
    guest_.emplace(
        machine_,
        testing::link_wasix_trampolines(
            machine_, {"sock_open", "sock_bind", "sock_listen", "sock_connect", "sock_accept_v2",
                       "sock_send_to", "sock_addr_local", "sock_addr_peer", "chdir"}),
        std::move(options));
  }
  void start() { start("/"); }

  GuestFd open(std::uint64_t type = kStream) {
    EXPECT_EQ(guest_->call("sock_open", {kUnix, type, 0, kOut}), Errno::kSuccess);
    return guest_->value<GuestFd>(kOut);
  }
  // An empty path: no address.
  void put_address(std::string_view path) {
    abi::AddrPort address{};
    address.tag = path.empty() ? 0 : 3;
    std::ranges::copy(path, address.data);
    guest_->put_value(kAddress, address);
  }
  std::optional<Errno> with(std::string_view call, GuestFd fd, std::string_view path) {
    put_address(path);
    return guest_->call(call, {fd, kAddress});
  }
  std::optional<Errno> bind(GuestFd fd, std::string_view path) {
    return with("sock_bind", fd, path);
  }
  std::optional<Errno> connect(std::string_view path, std::uint64_t type = kStream) {
    last_ = open(type);
    return with("sock_connect", last_, path);
  }
  GuestFd listener(std::string_view path) {
    const GuestFd fd = open();
    EXPECT_EQ(bind(fd, path), Errno::kSuccess) << path;
    EXPECT_EQ(guest_->call("sock_listen", {fd, 8}), Errno::kSuccess);
    return fd;
  }
  std::string name_of(std::string_view call, GuestFd fd) {
    EXPECT_EQ(guest_->call(call, {fd, kAddress}), Errno::kSuccess);
    const std::string text = guest_->text(kAddress + 2, 108);
    return text.substr(0, text.find('\0'));
  }
  bool has_waiting(GuestFd fd) {
    const auto descriptor = guest_->process().handles().find(fd);
    return (*descriptor)->handle->readable()->is_set();
  }
  std::optional<Errno> send_to(GuestFd fd, std::string_view path) {
    guest_->put(kData, "hello");
    guest_->put_value(kIovecs, kData);
    guest_->put_value(kIovecs + 4, std::uint32_t{5});
    put_address(path);
    return guest_->call("sock_send_to", {fd, kIovecs, 1, 0, kAddress, kOut});
  }

  Machine machine_;
  std::shared_ptr<Directory> files_;
  std::optional<CallingGuest> guest_;
  GuestFd last_ = 0;  // of connect()
};

TEST_F(UnixCallsTest, Bind_MakesAFile_ThatConnectFinds) {
  start();
  const GuestFd server = listener("/run/s");
  EXPECT_EQ(files_->stat("run/s", Follow::kNo)->filetype, Filetype::kSocketStream);
  EXPECT_EQ(connect("/run/s"), Errno::kSuccess);
  EXPECT_EQ(name_of("sock_addr_peer", last_), "/run/s");
  EXPECT_EQ(connect("/run/../run//s"), Errno::kSuccess) << "another way to the same file";
  EXPECT_TRUE(has_waiting(server));
  EXPECT_EQ(name_of("sock_addr_local", server), "/run/s");
}

TEST_F(UnixCallsTest, Bind_ToANameThatExists_IsAddrinuse) {
  start();
  ASSERT_TRUE(testing::put(*files_, "f", ""));
  ASSERT_TRUE(files_->symlink("nothing", "l"));
  listener("/s");
  for (const char* path : {"/s", "/f", "/l", "/run", "/"}) {
    EXPECT_EQ(bind(open(), path), Errno::kAddrinuse) << path;
  }
  EXPECT_EQ(bind(open(), "/nothing/s"), Errno::kNoent);
  EXPECT_EQ(bind(open(), "/f/s"), Errno::kNotdir);
}

TEST_F(UnixCallsTest, Bind_OfABoundSocket_LeavesNoFile) {
  start();
  const GuestFd server = listener("/s");
  EXPECT_EQ(bind(server, "/t"), Errno::kInval);
  EXPECT_EQ(errno_of(files_->stat("t", Follow::kNo)), Errno::kNoent);
  EXPECT_EQ(connect("/s"), Errno::kSuccess);
  EXPECT_EQ(bind(last_, "/u"), Errno::kInval) << "connected";
  EXPECT_EQ(errno_of(files_->stat("u", Follow::kNo)), Errno::kNoent);
}

TEST_F(UnixCallsTest, Connect_LooksAtTheFile) {
  start();
  const GuestFd server = listener("/s");
  ASSERT_TRUE(testing::put(*files_, "f", ""));
  ASSERT_TRUE(files_->symlink("s", "l"));
  ASSERT_TRUE(files_->symlink("loop", "loop"));
  EXPECT_EQ(connect("/l"), Errno::kSuccess) << "links are followed";
  EXPECT_EQ(connect("/f"), Errno::kConnrefused);
  EXPECT_EQ(connect("/run"), Errno::kConnrefused);
  EXPECT_EQ(connect("/"), Errno::kConnrefused);
  EXPECT_EQ(connect("/n"), Errno::kNoent);
  EXPECT_EQ(connect("/f/s"), Errno::kNotdir);
  EXPECT_EQ(connect("/loop"), Errno::kLoop);
  EXPECT_EQ(connect("/s", kDgram), Errno::kPrototype);
  EXPECT_EQ(guest_->call("fd_close", {server}), Errno::kSuccess);
  EXPECT_EQ(connect("/s"), Errno::kConnrefused) << "the file stays";
  EXPECT_EQ(bind(open(), "/s"), Errno::kAddrinuse);
}

TEST_F(UnixCallsTest, Unlink_TakesTheNameAway_AndRenameKeepsIt) {
  start();
  const GuestFd server = listener("/s");
  ASSERT_TRUE(files_->rename("s", *files_, "run/moved"));
  EXPECT_EQ(connect("/s"), Errno::kNoent);
  EXPECT_EQ(connect("/run/moved"), Errno::kSuccess);
  EXPECT_TRUE(has_waiting(server));
  ASSERT_TRUE(files_->unlink("run/moved"));
  EXPECT_EQ(connect("/run/moved"), Errno::kNoent);
}

TEST_F(UnixCallsTest, ARemovedName_IsFreeForAnotherSocket) {
  start();
  const GuestFd old = listener("/s");
  ASSERT_TRUE(files_->rename("s", *files_, "old"));
  const GuestFd fresh = listener("/s");
  EXPECT_EQ(connect("/s"), Errno::kSuccess);
  EXPECT_EQ(name_of("sock_addr_peer", last_), "/s");
  EXPECT_TRUE(has_waiting(fresh));
  EXPECT_FALSE(has_waiting(old));
  EXPECT_EQ(connect("/old"), Errno::kSuccess);
  EXPECT_EQ(name_of("sock_addr_peer", last_), "/s") << "what it was bound to";
  EXPECT_TRUE(has_waiting(old));
  EXPECT_EQ(guest_->call("fd_close", {fresh}), Errno::kSuccess);
  EXPECT_EQ(connect("/s"), Errno::kConnrefused);
  EXPECT_EQ(connect("/old"), Errno::kSuccess);
}

TEST_F(UnixCallsTest, RelativeNames_AreOfTheWorkingDirectory) {
  start();
  guest_->put(kPath, "/run");
  ASSERT_EQ(guest_->call("chdir", {kPath, 4}), Errno::kSuccess);
  const GuestFd server = listener("s");
  EXPECT_EQ(name_of("sock_addr_local", server), "s");
  EXPECT_TRUE(files_->stat("run/s", Follow::kNo));
  EXPECT_EQ(connect("/run/s"), Errno::kSuccess);
  guest_->put(kPath, "/");
  ASSERT_EQ(guest_->call("chdir", {kPath, 1}), Errno::kSuccess);
  EXPECT_EQ(connect("s"), Errno::kNoent);
  const GuestFd other = listener("s");
  EXPECT_EQ(connect("s"), Errno::kSuccess);
  EXPECT_TRUE(has_waiting(other));
}

TEST_F(UnixCallsTest, Datagrams_FindTheFileToo) {
  start();
  const GuestFd server = open(kDgram);
  ASSERT_EQ(bind(server, "/run/d"), Errno::kSuccess);
  const GuestFd client = open(kDgram);
  EXPECT_EQ(send_to(client, "/run/d"), Errno::kSuccess);
  EXPECT_TRUE(has_waiting(server));
  EXPECT_EQ(send_to(client, "/run/n"), Errno::kNoent);
  EXPECT_EQ(send_to(client, "/run"), Errno::kConnrefused);
  EXPECT_EQ(with("sock_connect", client, "/run/d"), Errno::kSuccess);
  ASSERT_TRUE(files_->unlink("run/d"));
  EXPECT_EQ(send_to(client, "/run/d"), Errno::kNoent);
  EXPECT_EQ(send_to(client, ""), Errno::kSuccess) << "connected";
  EXPECT_EQ(guest_->call("fd_close", {server}), Errno::kSuccess);
  EXPECT_EQ(send_to(client, ""), Errno::kConnrefused);
}

TEST_F(UnixCallsTest, AbstractNames_HaveNoFile) {
  start();
  const std::string_view name("\0name", 5);
  const GuestFd server = open();
  EXPECT_EQ(bind(server, name), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_listen", {server, 1}), Errno::kSuccess);
  EXPECT_EQ(connect(name), Errno::kSuccess);
  EXPECT_EQ(testing::list(*files_), std::vector<std::string>{"run/"});
  EXPECT_EQ(bind(open(), name), Errno::kAddrinuse);
}

TEST_F(UnixCallsTest, WithoutFiles_NamesAreTheNetworks) {
  start("");
  const GuestFd server = listener("/no/such/folder");
  EXPECT_EQ(connect("/no/such/folder"), Errno::kSuccess);
  EXPECT_EQ(connect("/another"), Errno::kNoent);
  EXPECT_EQ(guest_->call("fd_close", {server}), Errno::kSuccess);
  EXPECT_EQ(connect("/no/such/folder"), Errno::kNoent);
}

TEST_F(UnixCallsTest, WithoutTheRightToCreateFiles_BindIsAcces) {
  start("/", Rights::kAll & ~Rights::kPathCreateFile);
  EXPECT_EQ(bind(open(), "/s"), Errno::kAcces);
  EXPECT_EQ(errno_of(files_->stat("s", Follow::kNo)), Errno::kNoent);
}

}  // namespace
}  // namespace selvedge::wasix
