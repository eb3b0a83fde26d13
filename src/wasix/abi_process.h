#pragma once

// Records of WASIX for processes, as guests lay them out (api_wasix.h).

#include <cstddef>
#include <cstdint>

namespace selvedge::wasix::abi {

// proc_spawn_fd_op: something to do with the descriptors of a child before it begins.
struct SpawnOperation {
  static constexpr std::uint8_t kClose = 0;
  static constexpr std::uint8_t kDup2 = 1;
  static constexpr std::uint8_t kOpen = 2;
  static constexpr std::uint8_t kChdir = 3;
  static constexpr std::uint8_t kFchdir = 4;

  std::uint8_t command;
  std::uint8_t padding[3];
  std::uint32_t fd;
  std::uint32_t source_fd;
  std::uint32_t path;
  std::uint32_t path_len;
  std::uint32_t dirflags;
  std::uint16_t oflags;
  std::uint8_t padding2[6];
  std::uint64_t rights_base;
  std::uint64_t rights_inheriting;
  std::uint16_t fdflags;
  std::uint16_t fdflagsext;
  std::uint8_t padding3[4];
};
static_assert(sizeof(SpawnOperation) == 56 && offsetof(SpawnOperation, path) == 12 &&
              offsetof(SpawnOperation, oflags) == 24 &&
              offsetof(SpawnOperation, rights_base) == 32 &&
              offsetof(SpawnOperation, fdflags) == 48 &&
              offsetof(SpawnOperation, fdflagsext) == 50);

// signal_disposition
struct SignalDisposition {
  static constexpr std::uint8_t kDefault = 0;
  static constexpr std::uint8_t kIgnore = 1;

  std::uint8_t signal;
  std::uint8_t disposition;
};
static_assert(sizeof(SignalDisposition) == 2);

// stdio_mode: where a standard stream of a child leads (proc_spawn).
enum class StdioMode : std::uint8_t {
  kPiped = 0,    // to a pipe of which the parent gets the other end
  kInherit = 1,  // where the parent's does
  kNull = 2,     // nowhere
  kLog = 3,
};

// option_fd
struct OptionFd {
  std::uint8_t tag;  // 1: there is one
  std::uint8_t padding[3];
  std::uint32_t fd;
};

// process_handles: a child, and the parent's ends of its pipes: input, output, error.
struct ProcessHandles {
  std::uint32_t pid;
  OptionFd streams[3];
};
static_assert(sizeof(ProcessHandles) == 28 && offsetof(ProcessHandles, streams) == 4);

// option_pid
struct OptionPid {
  std::uint8_t tag;  // 1: there is one
  std::uint8_t padding[3];
  std::uint32_t pid;
};
static_assert(sizeof(OptionPid) == 8 && offsetof(OptionPid, pid) == 4);

// join_status: what became of a child.
struct JoinStatus {
  static constexpr std::uint8_t kNothing = 0;
  static constexpr std::uint8_t kExit = 1;
  static constexpr std::uint8_t kSignal = 2;

  std::uint8_t tag;
  std::uint8_t padding;
  std::uint16_t exit_code;
  std::uint8_t signal;
  std::uint8_t padding2;
};
static_assert(sizeof(JoinStatus) == 6 && offsetof(JoinStatus, exit_code) == 2 &&
              offsetof(JoinStatus, signal) == 4);

// struct timeval and struct itimerval, whose fields all have 64 bits.
struct TimeValue {
  std::int64_t seconds;
  std::int64_t microseconds;
};
struct TimerValue {
  TimeValue interval;
  TimeValue first;
};
static_assert(sizeof(TimerValue) == 32 && offsetof(TimerValue, first) == 16);

// stack_snapshot: what a jmp_buf holds.
struct StackSnapshot {
  static constexpr std::size_t kIdOffset = 8;

  std::uint64_t user;  // the C library's own
  std::uint64_t id;    // which; WASIX calls it a hash
  std::uint64_t zero;
};
static_assert(sizeof(StackSnapshot) == 24 &&
              offsetof(StackSnapshot, id) == StackSnapshot::kIdOffset);

}  // namespace selvedge::wasix::abi
