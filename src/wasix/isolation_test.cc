// What one workload must not see or reach of another in the same process and shard, resource by
// resource: an attack for each. (Processes by number: process_children_test.cc,
// ProcessesOfAnotherWorkload_HaveNoNames. Ways out of a directory: fs_escape_test.cc.)

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"
#include "wasix/abi_socket.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/host_functions.h"
#include "wasix/loopback_network.h"
#include "wasix/testing/file_systems.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/wasix_guest.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kOut2 = 1032;
constexpr std::uint32_t kAddress = 2048;
constexpr std::uint32_t kIovecs = 3072;
constexpr std::uint32_t kWord = 4096;
constexpr std::uint32_t kData = 8192;
constexpr std::uint64_t kInet4 = 1;
constexpr std::uint64_t kUnix = 3;
constexpr std::uint64_t kStream = 1;
constexpr std::uint64_t kRead = 1U << 1;
constexpr GuestFd kRoot = 3;

// A guest with a file system and a network of its own, as each workload of a program has.
class Tenant {
 public:
  // `files`: null for a file system of its own.
  Tenant(Machine& machine, const std::shared_ptr<const engine::LinkedModule>& module,
         std::shared_ptr<FileSystem> files = nullptr)
      : files_(std::move(files)) {
    if (files_ == nullptr) {
      files_ = *MemoryFileSystem::create({.clock = machine.clock(), .lower = nullptr});
    }
    ProcessOptions options{.environment = {}};
    options.network = std::make_shared<LoopbackNetwork>(machine.reactor());
    options.preopens.push_back({.guest_path = "/", .directory = files_->open_root()});
    guest_.emplace(machine, module, std::move(options));
  }

  CallingGuest& guest() { return *guest_; }
  template <class... Arguments>
  Errno call(std::string_view name, Arguments... arguments) {
    return *guest_->call(name, {static_cast<std::uint64_t>(arguments)...});
  }
  GuestFd result() { return guest_->value<GuestFd>(kOut); }
  GuestFd socket(std::uint64_t family) {
    EXPECT_EQ(call("sock_open", family, kStream, 0, kOut), Errno::kSuccess);
    return result();
  }
  Errno with_address(std::string_view name, GuestFd fd, const abi::AddrPort& address) {
    guest_->put_value(kAddress, address);
    return call(name, fd, kAddress);
  }
  Errno open(std::string_view path, Oflags oflags) {
    guest_->put(kData, path);
    return call("path_open", kRoot, 0, kData, path.size(), static_cast<std::uint64_t>(oflags),
                kRead, 0, 0, kOut);
  }

 private:
  std::shared_ptr<FileSystem> files_;
  std::optional<CallingGuest> guest_;
};

class IsolationTest : public ::testing::Test {
 protected:
  Machine machine_;
  std::shared_ptr<const engine::LinkedModule> module_ = testing::link_wasix_trampolines(
      machine_, {"sock_open", "sock_bind", "sock_listen", "sock_connect", "fd_pipe", "fd_event",
                 "futex_wait", "futex_wake_all", "epoll_create"});
  Tenant victim_{machine_, module_};
  Tenant attacker_{machine_, module_};
};

abi::AddrPort loopback(std::uint16_t port) {
  abi::AddrPort address{.tag = 1, .padding = 0, .data = {}};
  address.data[0] = static_cast<std::uint8_t>(port & 0xffU);
  address.data[1] = static_cast<std::uint8_t>(port >> 8U);
  address.data[2] = 127;
  address.data[5] = 1;
  return address;
}

abi::AddrPort unix_name(std::string_view name) {
  abi::AddrPort address{.tag = 3, .padding = 0, .data = {}};
  std::memcpy(address.data, name.data(), name.size());
  return address;
}

TEST_F(IsolationTest, Files_OfAnothersScratch_DoNotExist) {
  ASSERT_EQ(victim_.open("secret", Oflags::kCreat), Errno::kSuccess);
  EXPECT_EQ(attacker_.open("secret", Oflags::kNone), Errno::kNoent);
  ASSERT_EQ(attacker_.open("secret", Oflags::kCreat | Oflags::kExcl), Errno::kSuccess);
  attacker_.guest().put(kData, "secret");
  EXPECT_EQ(attacker_.call("path_unlink_file", kRoot, kData, 6), Errno::kSuccess);
  EXPECT_EQ(victim_.open("secret", Oflags::kNone), Errno::kSuccess);
}

TEST_F(IsolationTest, Sockets_OnAnothersLoopback_AreNotReached) {
  const GuestFd listener = victim_.socket(kInet4);
  ASSERT_EQ(victim_.with_address("sock_bind", listener, loopback(8080)), Errno::kSuccess);
  ASSERT_EQ(victim_.call("sock_listen", listener, 4), Errno::kSuccess);
  EXPECT_EQ(attacker_.with_address("sock_connect", attacker_.socket(kInet4), loopback(8080)),
            Errno::kConnrefused);
}

TEST_F(IsolationTest, Ports_OfAnother_AreNotInUse) {
  for (Tenant* const tenant : {&victim_, &attacker_}) {
    const GuestFd listener = tenant->socket(kInet4);
    EXPECT_EQ(tenant->with_address("sock_bind", listener, loopback(8080)), Errno::kSuccess);
    EXPECT_EQ(tenant->call("sock_listen", listener, 4), Errno::kSuccess);
  }
}

TEST_F(IsolationTest, UnixNames_OfAnother_DoNotExist) {
  // A path, and an abstract name.
  for (const std::string_view name : {std::string_view("/x"), std::string_view("\0x", 2)}) {
    const GuestFd listener = victim_.socket(kUnix);
    ASSERT_EQ(victim_.with_address("sock_bind", listener, unix_name(name)), Errno::kSuccess);
    ASSERT_EQ(victim_.call("sock_listen", listener, 4), Errno::kSuccess);
    EXPECT_NE(attacker_.with_address("sock_connect", attacker_.socket(kUnix), unix_name(name)),
              Errno::kSuccess);
    EXPECT_EQ(attacker_.with_address("sock_bind", attacker_.socket(kUnix), unix_name(name)),
              Errno::kSuccess);
  }
}

// Nor do those of the host.
TEST_F(IsolationTest, UnixNames_InASharedFolder_LeadNowhere) {
  const testing::TemporaryDirectory folder;
  const auto shared = *HostDirectory::create({.path = folder.path()});
  Tenant owner(machine_, module_, shared);
  Tenant other(machine_, module_, shared);
  const GuestFd listener = owner.socket(kUnix);
  ASSERT_EQ(owner.with_address("sock_bind", listener, unix_name("/guest")), Errno::kSuccess);
  ASSERT_EQ(owner.call("sock_listen", listener, 4), Errno::kSuccess);
  const base::UniqueFd host(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = folder.path() / "host";
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  const auto* const generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  ASSERT_EQ(::bind(host.get(), generic, sizeof address), 0);
  ASSERT_EQ(::listen(host.get(), 4), 0);
  for (const std::string_view name : {"/guest", "/host"}) {
    EXPECT_EQ(other.with_address("sock_connect", other.socket(kUnix), unix_name(name)),
              Errno::kConnrefused);
    EXPECT_EQ(other.with_address("sock_bind", other.socket(kUnix), unix_name(name)),
              Errno::kAddrinuse);
  }
  EXPECT_EQ(owner.with_address("sock_connect", owner.socket(kUnix), unix_name("/guest")),
            Errno::kSuccess);
}

TEST_F(IsolationTest, Descriptors_OfAnothersPipesAndEvents_AreBadNumbers) {
  std::array<GuestFd, 4> numbers{};
  ASSERT_EQ(victim_.call("fd_pipe", kOut, kOut2), Errno::kSuccess);
  numbers[0] = victim_.result();
  numbers[1] = victim_.guest().value<GuestFd>(kOut2);
  ASSERT_EQ(victim_.call("fd_event", 1, 0, kOut), Errno::kSuccess);
  numbers[2] = victim_.result();
  ASSERT_EQ(victim_.call("epoll_create", kOut), Errno::kSuccess);
  numbers[3] = victim_.result();
  attacker_.guest().put_value(kIovecs, abi::Iovec{.buf = kData, .len = 8});
  for (const GuestFd fd : numbers) {
    EXPECT_EQ(attacker_.call("fd_read", fd, kIovecs, 1, kOut), Errno::kBadf);
    EXPECT_EQ(attacker_.call("fd_write", fd, kIovecs, 1, kOut), Errno::kBadf);
    EXPECT_EQ(attacker_.call("fd_close", fd), Errno::kBadf);
  }
  // All numbers that there are: it has its streams and its root.
  std::size_t open = 0;
  for (GuestFd fd = 0; fd < HandleTable::kHandlesMax; ++fd) {
    open += attacker_.call("fd_fdstat_get", fd, kOut) == Errno::kSuccess ? 1U : 0U;
  }
  EXPECT_EQ(open, 4U);
}

TEST_F(IsolationTest, Futexes_AtTheSameAddress_AreOthers) {
  victim_.guest().put_value(kOut, abi::OptionTimestamp{});
  victim_.guest().begin("futex_wait", {kWord, 0, kOut, kOut + 64});
  EXPECT_FALSE(victim_.guest().turn());
  EXPECT_EQ(attacker_.call("futex_wake_all", kWord, kOut), Errno::kSuccess);
  EXPECT_EQ(attacker_.guest().value<std::uint8_t>(kOut), 0U);
  EXPECT_FALSE(victim_.guest().turn());
  victim_.guest().drop();
}

// Counts the bytes of its memory, which it grows, that are not zero; then fills all of it, and its
// table and global.
constexpr std::string_view kTenantOfReusedMemory = R"((module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 4)
  (table $table 64 funcref)
  (elem declare func $exit)
  (global $global (mut i64) (i64.const 0))
  (func (export "_start") (local $at i32) (local $end i32) (local $found i32)
    (drop (memory.grow (i32.const 12)))
    (local.set $end (i32.mul (memory.size) (i32.const 65536)))
    (loop $more
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
        (then (local.set $found (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
    (if (i64.ne (global.get $global) (i64.const 0)) (then (local.set $found (i32.const 2))))
    (local.set $at (i32.const 0))
    (loop $more
      (if (i32.eqz (ref.is_null (table.get $table (local.get $at))))
        (then (local.set $found (i32.const 3))))
      (table.set $table (local.get $at) (ref.func $exit))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 64))))
    (memory.fill (i32.const 0) (i32.const 0x5a) (local.get $end))
    (global.set $global (i64.const 0x5a))
    (call $exit (local.get $found))))";

// An attack: every slot of the pool has been filled by an earlier tenant.
TEST_F(IsolationTest, Memory_ReusedFromThePool_IsZero) {
  Machine machine(2);
  // The same module again and again, and one that differs in its image and nothing else.
  const std::string text(kTenantOfReusedMemory);
  const std::array modules{*machine.link_wat(text + ")"),
                           *machine.link_wat(text + "(func (export \"other\")))")};
  for (std::size_t round = 0; round < 24; ++round) {
    const ExitStatus status = machine.run(modules.at(round % 8 / 4), {});
    EXPECT_TRUE(status.success()) << status.code << " " << status.message;
  }
}

// The same for a memory that threads share: it is no part of the pool.
TEST_F(IsolationTest, SharedMemory_OfANewProcess_IsZero) {
  const auto module = *machine_.link_wat(R"((module
    (import "env" "memory" (memory 2 4 shared)) (export "memory" (memory 0))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (func (export "_start") (local $at i32)
      (drop (memory.grow (i32.const 2)))
      (loop $more
        (if (i32.load (local.get $at)) (then (call $exit (i32.const 1))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br_if $more (i32.lt_u (local.get $at) (i32.const 262144))))
      (memory.fill (i32.const 0) (i32.const 0x5a) (i32.const 262144)))))");
  for (int round = 0; round < 4; ++round) {
    EXPECT_TRUE(machine_.run(module, {}).success());
  }
}

}  // namespace
}  // namespace selvedge::wasix
