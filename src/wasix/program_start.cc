#include "wasix/program_start.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <set>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "engine/engine.h"
#include "wasix/guest_path.h"
#include "wasix/internal/whole_file.h"
#include "wasix/process.h"
#include "wasix/workload.h"

namespace selvedge::wasix {

namespace {

using Bytes = std::vector<std::byte>;

// The words of a "#!" line, one or two; empty: the file is no script.
std::vector<std::string> interpreter_of(base::ByteSpan file) {
  std::string_view text =
      base::as_text(file.first(std::min(file.size(), kInterpreterLineBytesMax)));
  if (!text.starts_with("#!")) {
    return {};
  }
  text = text.substr(2, text.find('\n') - 2);
  const auto trim = [](std::string_view word) {
    const std::size_t first = word.find_first_not_of(" \t\r");
    const std::size_t last = word.find_last_not_of(" \t\r");
    return first == std::string_view::npos ? std::string_view()
                                           : word.substr(first, last - first + 1);
  };
  text = trim(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  std::vector<std::string> words;
  if (end != 0) {
    words.emplace_back(text.substr(0, end));
  }
  // All that follows is one argument, as in Linux.
  if (const std::string_view rest = trim(text.substr(end)); !rest.empty()) {
    words.emplace_back(rest);
  }
  return words;
}

// Paths to try, in order.
std::vector<std::string> candidates(const ProgramRequest& request) {
  const std::string& working_directory = request.working_directory;
  if (!request.search_path || request.name.find('/') != std::string::npos) {
    return {absolute_path(working_directory, request.name)};
  }
  std::vector<std::string> paths;
  std::string_view rest = *request.search_path;
  while (paths.size() < kPathFoldersMax) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string folder = absolute_path(working_directory, rest.substr(0, end));
    paths.push_back(absolute_path(folder, request.name));
    if (end == rest.size()) {
      break;
    }
    rest.remove_prefix(end + 1);
  }
  return paths;
}

// The command that a path in /bin stands for.
std::optional<std::string> command_of(std::string_view path) {
  for (const std::string_view folder : {"/bin", "/usr/bin"}) {
    const auto rest = path_beneath(folder, path);
    if (rest && !rest->empty() && rest->find('/') == std::string_view::npos) {
      return std::string(*rest);
    }
  }
  return std::nullopt;
}

struct Candidate {
  std::string path;
  std::shared_ptr<File> file;            // or
  std::optional<LoadedCommand> command;  // of the package
};

// The first candidate that exists. A file that cannot be opened is only an answer when no other
// candidate exists.
io::Task<ErrnoResult<Candidate>> first_that_exists(Process& process, ProgramRequest request) {
  Errno error = Errno::kNoent;
  for (std::string& path : candidates(request)) {
    ErrnoResult<std::shared_ptr<File>> file = internal::open_whole_file(process, path);
    if (file && !(*file)->command().empty()) {
      auto loaded =
          co_await process.workload().loader()->load_command(std::string((*file)->command()));
      if (loaded.has_value()) {
        co_return Candidate{
            .path = std::move(path), .file = nullptr, .command = *std::move(loaded)};
      }
    }
    if (file) {
      co_return Candidate{
          .path = std::move(path), .file = *std::move(file), .command = std::nullopt};
    }
    if (file.error() != Errno::kNoent && file.error() != Errno::kNotdir) {
      error = file.error();
    }
    if (const auto command = command_of(path)) {
      auto loaded = co_await process.workload().loader()->load_command(*command);
      if (loaded.has_value()) {
        co_return Candidate{
            .path = std::move(path), .file = nullptr, .command = *std::move(loaded)};
      }
    }
  }
  co_return refuse(error);
}

std::string_view key_of(std::string_view entry) noexcept {
  return entry.substr(0, entry.find('='));
}

// argv[0], the manifest's arguments, the caller's; the caller's variables win.
FoundProgram with_manifest(LoadedCommand command, ProgramRequest request) {
  std::vector<std::string>& arguments = request.arguments;
  if (command.program_name) {
    if (arguments.empty()) {
      arguments.emplace_back();
    }
    arguments.front() = *std::move(command.program_name);
  }
  const std::ptrdiff_t own = arguments.empty() ? 0 : 1;
  arguments.insert(arguments.begin() + own, std::make_move_iterator(command.arguments.begin()),
                   std::make_move_iterator(command.arguments.end()));
  std::vector<std::string>& environment = request.environment;
  std::set<std::string, std::less<>> keys;
  for (const std::string& entry : environment) {
    keys.emplace(key_of(entry));
  }
  for (std::string& entry : command.environment) {
    if (!keys.contains(key_of(entry))) {
      environment.push_back(std::move(entry));
    }
  }
  return {.module = std::move(command.module),
          .arguments = std::move(arguments),
          .environment = std::move(environment)};
}

}  // namespace

io::Task<ErrnoResult<FoundProgram>> find_program(Process& process, ProgramRequest request) {
  ProgramLoader* const loader = process.workload().loader();
  if (loader == nullptr) {
    co_return refuse(Errno::kNotsup);
  }
  for (int depth = 0; depth <= kInterpretersMax; ++depth) {
    SELVEDGE_CO_TRY(ErrnoResult<Candidate> found, co_await first_that_exists(process, request));
    if (!found) {
      co_return refuse(found.error());
    }
    if (found->command) {
      co_return with_manifest(*std::move(found->command), std::move(request));
    }
    SELVEDGE_CO_TRY(ErrnoResult<Bytes> bytes,
                    co_await internal::read_whole_file(process, found->file));
    if (!bytes) {
      co_return refuse(bytes.error());
    }
    if (engine::looks_like_wasm(*bytes)) {
      auto module = co_await loader->load(*std::move(bytes));
      if (!module.has_value()) {
        log::info("a program that a guest started cannot run: {}",
                  log::escape(module.error().message(), 512));
        co_return refuse(Errno::kNoexec);
      }
      co_return FoundProgram{.module = *std::move(module),
                             .arguments = std::move(request.arguments),
                             .environment = std::move(request.environment)};
    }
    std::vector<std::string> words = interpreter_of(*bytes);
    if (words.empty()) {
      co_return refuse(Errno::kNoexec);
    }
    // interpreter, its argument, the script, the script's arguments without its name
    request.name = words.front();
    words.push_back(found->path);
    if (!request.arguments.empty()) {
      words.insert(words.end(), request.arguments.begin() + 1, request.arguments.end());
    }
    request.arguments = std::move(words);
    request.search_path = std::nullopt;
  }
  co_return refuse(Errno::kLoop);
}

}  // namespace selvedge::wasix
