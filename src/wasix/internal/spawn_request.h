#pragma once

// What a guest says of a program that it starts: copied and bounded, so that nothing of it is read
// twice.

#include <cstdint>
#include <string>
#include <vector>

#include "wasix/abi_process.h"
#include "wasix/errno_result.h"
#include "wasix/internal/host_calls.h"
#include "wasix/program_start.h"

namespace selvedge::wasix::internal {

// Strings in guest memory. A text has a newline behind each of them but the last; with kPointers
// there are `size` addresses of strings that end with NUL.
struct StringList {
  enum class Form : unsigned char { kText, kPointers };
  Form form = Form::kText;
  std::uint32_t address = 0;
  std::uint32_t size = 0;  // bytes of the text, or strings
};

// A program's name and where it is looked for. `enabled` 0: the name is a path in any case.
struct ProgramName {
  Ptr<std::uint8_t> name;
  std::uint32_t name_len = 0;
  std::uint32_t search_enabled = 0;
  Ptr<std::uint8_t> path = {0};
  std::uint32_t path_len = 0;
};

// A null list as environment passes on that of the caller. The search path is the one that is
// given, else the caller's PATH. kFault; kTooBig: more or longer strings than a process may have;
// kInval: a NUL in the name, or a flag that is none; kNoent: no name.
ErrnoResult<ProgramRequest> read_program(Thread& thread, const ProgramName& name,
                                         StringList arguments, StringList environment);

// An operation on a child's descriptors, with its path.
struct SpawnStep {
  abi::SpawnOperation record;
  std::string path;
};
// kFault; kTooBig: more than kSpawnStepsMax; kNametoolong.
inline constexpr std::uint32_t kSpawnStepsMax = 1024;
ErrnoResult<std::vector<SpawnStep>> read_steps(Thread& thread, Ptr<abi::SpawnOperation> operations,
                                               std::uint32_t count);

// The signals that a child ignores, a bit for each: what the records say, the last of a signal
// wins. A null list: those of the caller. Signals that WASI does not have are skipped. kFault;
// kTooBig: more than kDispositionsMax; kInval: a disposition that is none.
inline constexpr std::uint32_t kDispositionsMax = 256;
ErrnoResult<std::uint32_t> read_ignored_signals(Thread& thread,
                                                Ptr<abi::SignalDisposition> dispositions,
                                                std::uint32_t count);

}  // namespace selvedge::wasix::internal
