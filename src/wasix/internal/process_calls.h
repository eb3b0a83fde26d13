#pragma once

// Host functions of WASIX for other programs, and what signals do. Lists of strings are texts with
// a newline behind each but the last.

#include <cstdint>

#include "wasix/abi_process.h"
#include "wasix/internal/host_calls.h"
#include "wasix/workload.h"

namespace selvedge::wasix::internal {

enum class SignalAction : unsigned char { kTerminate, kIgnore, kStop };
// What a signal does to a process without a handler for it (POSIX, signal.h). kNone is ignored.
SignalAction default_action(Signal signal) noexcept;

// host_calls_spawn.cc
BlockingErrno proc_exec3(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                         Ptr<std::uint8_t> args, std::uint32_t args_len, Ptr<std::uint8_t> envs,
                         std::uint32_t envs_len, std::uint32_t search_path, Ptr<std::uint8_t> path,
                         std::uint32_t path_len);
BlockingErrno proc_spawn2(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                          Ptr<std::uint8_t> args, std::uint32_t args_len, Ptr<std::uint8_t> envs,
                          std::uint32_t envs_len, Ptr<abi::SpawnOperation> operations,
                          std::uint32_t operation_count, Ptr<std::uint8_t> dispositions,
                          std::uint32_t disposition_count, std::uint32_t search_path,
                          Ptr<std::uint8_t> path, std::uint32_t path_len, Ptr<ProcessId> pid);

}  // namespace selvedge::wasix::internal
