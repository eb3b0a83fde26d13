#include "wasix/internal/spawn_request.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "wasix/internal/lookup.h"
#include "wasix/process.h"

namespace selvedge::wasix::internal {

namespace {

using Strings = std::vector<std::string>;

ErrnoResult<std::string> read_text(Thread& thread, std::uint32_t address, std::uint32_t length) {
  if (length > ProcessOptions::kArgumentBytesMax) {
    return refuse(Errno::kTooBig);
  }
  auto copied = thread.memory().read_string(address, length);
  if (!copied) {
    return refuse(Errno::kFault);
  }
  return *std::move(copied);
}

// Empty strings are kept; a newline behind the last one adds none. kTooBig: there are too many.
ErrnoResult<Strings> split_lines(std::string_view text) {
  Strings lines;
  while (!text.empty()) {
    if (lines.size() == ProcessOptions::kArgumentsMax) {
      return refuse(Errno::kTooBig);
    }
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The string at `address` without its NUL. kTooBig: there is none within `bytes_max`.
ErrnoResult<std::string> read_c_string(engine::GuestMemory memory, std::uint32_t address,
                                       std::size_t bytes_max) {
  constexpr std::size_t kPieceBytes = 256;
  const std::size_t there = address < memory.size() ? memory.size() - address : 0;
  const std::size_t size = std::min(there, bytes_max);
  std::string text;
  while (text.size() < size) {
    const std::size_t before = text.size();
    const auto piece =
        memory.read_string(address + static_cast<std::uint32_t>(before),
                           static_cast<std::uint32_t>(std::min(kPieceBytes, size - before)));
    const std::size_t end = piece->find('\0');
    text.append(*piece, 0, end);
    if (end != std::string::npos) {
      return text;
    }
  }
  return refuse(there < bytes_max || there == 0 ? Errno::kFault : Errno::kTooBig);
}

ErrnoResult<Strings> read_pointers(Thread& thread, std::uint32_t address, std::uint32_t count) {
  if (count > ProcessOptions::kArgumentsMax) {
    return refuse(Errno::kTooBig);
  }
  const engine::GuestMemory memory = thread.memory();
  Strings strings;
  std::size_t left = ProcessOptions::kArgumentBytesMax;
  for (std::uint32_t index = 0; index < count; ++index) {
    const auto pointer = memory.read(Ptr<std::uint32_t>{address}, index);
    if (!pointer) {
      return refuse(Errno::kFault);
    }
    SELVEDGE_TRY_ERRNO(std::string text, read_c_string(memory, *pointer, left));
    left -= text.size() + 1;
    strings.push_back(std::move(text));
  }
  return strings;
}

ErrnoResult<Strings> read_strings(Thread& thread, const StringList& list) {
  if (list.form == StringList::Form::kPointers) {
    return read_pointers(thread, list.address, list.size);
  }
  SELVEDGE_TRY_ERRNO(const std::string text, read_text(thread, list.address, list.size));
  return split_lines(text);
}

std::string_view variable(const Strings& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
      return std::string_view(entry).substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace

ErrnoResult<ProgramRequest> read_program(Thread& thread, const ProgramName& name,
                                         StringList arguments, StringList environment) {
  if (name.search_enabled > 1) {
    return refuse(Errno::kInval);
  }
  ProgramRequest request;
  SELVEDGE_TRY_ERRNO(request.name, read_path(thread, name.name, name.name_len));
  SELVEDGE_TRY_ERRNO(request.arguments, read_strings(thread, arguments));
  // wasix-libc measures a null path, too, by what is at the address 0.
  SELVEDGE_TRY_ERRNO(const std::string path,
                     read_text(thread, name.path.address, name.path.is_null() ? 0 : name.path_len));
  if (request.name.empty()) {
    return refuse(Errno::kNoent);
  }
  if (request.name.find('\0') != std::string::npos) {
    return refuse(Errno::kInval);
  }
  if (request.arguments.empty()) {
    request.arguments.push_back(request.name);
  }
  const Process& process = thread.process();
  request.working_directory = process.working_directory();
  if (environment.address == 0) {
    request.environment = process.environment();
  } else {
    SELVEDGE_TRY_ERRNO(request.environment, read_strings(thread, environment));
  }
  if (name.search_enabled == 1) {
    const std::string_view inherited = variable(process.environment(), "PATH");
    request.search_path = !path.empty()        ? path
                          : !inherited.empty() ? std::string(inherited)
                                               : std::string(kDefaultSearchPath);
  }
  return request;
}

ErrnoResult<std::vector<SpawnStep>> read_steps(Thread& thread, Ptr<abi::SpawnOperation> operations,
                                               std::uint32_t count) {
  if (count > kSpawnStepsMax) {
    return refuse(Errno::kTooBig);
  }
  std::vector<SpawnStep> steps;
  for (std::uint32_t index = 0; index < count; ++index) {
    const auto record = thread.memory().read(operations, index);
    if (!record) {
      return refuse(Errno::kFault);
    }
    SpawnStep step{.record = *record, .path = {}};
    if (record->command == abi::SpawnOperation::kOpen ||
        record->command == abi::SpawnOperation::kChdir) {
      SELVEDGE_TRY_ERRNO(step.path, read_path(thread, {record->path}, record->path_len));
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

ErrnoResult<std::uint32_t> read_ignored_signals(Thread& thread,
                                                Ptr<abi::SignalDisposition> dispositions,
                                                std::uint32_t count) {
  if (dispositions.is_null()) {
    return thread.process().ignored_signals();
  }
  if (count > kDispositionsMax) {
    return refuse(Errno::kTooBig);
  }
  std::uint32_t ignored = 0;
  for (std::uint32_t index = 0; index < count; ++index) {
    const auto record = thread.memory().read(dispositions, index);
    if (!record) {
      return refuse(Errno::kFault);
    }
    if (record->disposition > abi::SignalDisposition::kIgnore) {
      return refuse(Errno::kInval);
    }
    if (record->signal == 0 || record->signal > kSignalMax) {
      continue;
    }
    const std::uint32_t bit = std::uint32_t{1} << record->signal;
    ignored =
        record->disposition == abi::SignalDisposition::kIgnore ? ignored | bit : ignored & ~bit;
  }
  return ignored;
}

}  // namespace selvedge::wasix::internal
