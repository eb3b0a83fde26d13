#pragma once

// Starting another program: what proc_spawn and proc_exec have in common. The program is looked up
// in the file system of the process that asks, read, compiled and linked.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/module.h"
#include "io/task.h"
#include "wasix/errno_result.h"

namespace selvedge::wasix {

class Process;

// Files that name another program in their first line ("#!") lead on at most this often.
inline constexpr int kInterpretersMax = 4;
// Bytes of that line.
inline constexpr std::size_t kInterpreterLineBytesMax = 256;
// Where programs are looked for without a PATH.
inline constexpr std::string_view kDefaultSearchPath = "/usr/local/bin:/bin:/usr/bin";
// Folders of a PATH that are looked into.
inline constexpr std::size_t kPathFoldersMax = 64;

struct ProgramRequest {
  // With a slash: a path. Else a name, which is looked for.
  std::string name;
  std::vector<std::string> arguments;
  // Colon-separated folders; nullopt: the name is a path in any case.
  std::optional<std::string> search_path;
  // "KEY=value"
  std::vector<std::string> environment;
  // Absolute: where relative paths begin.
  std::string working_directory;
};

struct FoundProgram {
  std::shared_ptr<const engine::LinkedModule> module;
  // Those of the request, after the interpreter's own when a script was found; with those that the
  // manifest of a command adds.
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

// `process` outlives the task. kNoent: there is no such program; kNoexec: it is neither a module
// that can run here nor a script; kLoop: interpreters without end; kNotsup: the workload has no
// loader.
io::Task<ErrnoResult<FoundProgram>> find_program(Process& process, ProgramRequest request);

}  // namespace selvedge::wasix
