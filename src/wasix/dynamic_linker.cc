#include "wasix/dynamic_linker.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "engine/engine.h"
#include "engine/shared_memory.h"
#include "wasix/abi_dynamic.h"
#include "wasix/guest_path.h"
#include "wasix/internal/whole_file.h"
#include "wasix/process.h"
#include "wasix/workload.h"

namespace selvedge::wasix {

namespace {

constexpr std::string_view kSystemFolders = "/lib:/usr/lib:/usr/local/lib";
// Handles of libraries begin here.
constexpr LibraryHandle kFirstHandle = abi::kDlProgram + 1;

LibraryHandle handle_of(std::size_t place) noexcept {
  return static_cast<LibraryHandle>(place) + kFirstHandle;
}

Result<engine::TableIndex> relocation(Thread& thread, engine::LibraryNumber number) {
  return engine::GuestLinks(thread).initializer(number, "__wasm_apply_data_relocs");
}

Result<engine::TableIndex> constructor(Thread& thread, engine::LibraryNumber number) {
  engine::GuestLinks links(thread);
  SELVEDGE_TRY(const engine::TableIndex call, links.initializer(number, "__wasm_call_ctors"));
  return call != 0 ? call : links.initializer(number, "_initialize");
}

std::string_view folder_of(std::string_view path) noexcept {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

}  // namespace

struct DynamicLinker::FoundFile {
  std::string path;
  std::shared_ptr<File> file;
  FileStat stat;
};

DynamicLinker::DynamicLinker(Process& process)
    : process_(process), begun_(process.shard().reactor) {}

Result<DynamicLinker::FoundFile> DynamicLinker::find_file(const std::string& name,
                                                          std::string_view search_path,
                                                          std::string_view from) {
  const std::string& working_directory = process_.working_directory();
  std::vector<std::string> candidates;
  if (name.find('/') != std::string::npos) {
    candidates.push_back(absolute_path(working_directory, name));
  } else {
    const auto add = [&](std::string_view folder) {
      if (!folder.empty() && candidates.size() < kFoldersMax) {
        candidates.push_back(absolute_path(absolute_path(working_directory, folder), name));
      }
    };
    const auto add_all = [&add](std::string_view folders) {
      while (!folders.empty()) {
        const std::size_t end = std::min(folders.find(':'), folders.size());
        add(folders.substr(0, end));
        folders.remove_prefix(std::min(end + 1, folders.size()));
      }
    };
    add_all(search_path);
    add(from);
    add_all(kSystemFolders);
  }
  for (std::string& path : candidates) {
    ErrnoResult<std::shared_ptr<File>> file = internal::open_whole_file(process_, path);
    const ErrnoResult<FileStat> stat = file ? (*file)->stat() : refuse(file.error());
    if (stat) {
      return FoundFile{.path = std::move(path), .file = *std::move(file), .stat = *stat};
    }
  }
  return fail_format(ErrorKind::kNotFound, "{}: there is no such library", name);
}

std::optional<std::size_t> DynamicLinker::find_entry(const FoundFile& file) const noexcept {
  const auto found = std::ranges::find_if(entries_, [&file](const Entry& entry) {
    return entry.state != State::kFailed &&
           (entry.path == file.path ||
            (entry.inode == file.stat.ino && entry.device == file.stat.dev && entry.inode != 0));
  });
  if (found == entries_.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - entries_.begin());
}

// Names are copied: what they come from may move while a file is read.
io::Task<std::size_t> DynamicLinker::enter(std::string name, std::string search_path,
                                           std::string from, std::size_t depth, bool only_known) {
  SELVEDGE_CO_TRY(FoundFile file, find_file(name, search_path, from));
  if (const auto known = find_entry(file)) {
    co_return *known;
  }
  if (only_known) {
    co_return fail_format(ErrorKind::kNotFound, "{}: the library is not loaded", name);
  }
  ProgramLoader* const loader = process_.workload().loader();
  if (loader == nullptr) {
    co_return fail(ErrorKind::kUnsupported, "libraries cannot be loaded here");
  }
  if (entries_.size() >= kLibrariesMax || depth >= kDepthMax) {
    co_return fail_format(ErrorKind::kOverloaded, "{}: too many libraries", name);
  }
  SELVEDGE_CO_TRY(auto bytes, co_await internal::read_whole_file(process_, file.file));
  if (!bytes) {
    co_return fail_format(ErrorKind::kInvalid, "{}: the file cannot be read", name);
  }
  auto code = co_await loader->load_library(*std::move(bytes));
  if (!code) {
    co_return fail_format(ErrorKind::kInvalid, "{}: {}", name, code.error().message());
  }
  if ((*code)->layout().has_thread_local && process_.shared_memory() != nullptr) {
    co_return fail_format(ErrorKind::kUnsupported,
                          "{}: it exports thread-local variables, which libraries cannot have here",
                          name);
  }
  // Another thread may have been faster.
  if (const auto known = find_entry(file)) {
    co_return *known;
  }
  const std::size_t place = entries_.size();
  const std::string folder(folder_of(file.path));
  const std::vector<std::string> needed = (*code)->needed();
  entries_.push_back({.path = std::move(file.path),
                      .device = file.stat.dev,
                      .inode = file.stat.ino,
                      .code = *std::move(code),
                      .needed = {}});
  for (const std::string& other : needed) {
    auto found = co_await enter(other, search_path, folder, depth + 1, false);
    if (!found) {
      entries_[place].state = State::kFailed;
      co_return fail_format(found.error().kind(), "{}, which {} needs", found.error().message(),
                            name);
    }
    entries_[place].needed.push_back(*found);
  }
  co_return place;
}

void DynamicLinker::add_in_order(std::size_t place, std::vector<std::size_t>& order) const {
  // Depth first, with an explicit stack: the place, and which of its needs comes next.
  std::vector<std::pair<std::size_t, std::size_t>> open{{place, 0}};
  std::vector<bool> seen(entries_.size(), false);
  seen[place] = true;
  while (!open.empty()) {
    auto& [current, next] = open.back();
    const std::vector<std::size_t>& needed = entries_[current].needed;
    if (next == needed.size()) {
      order.push_back(current);
      open.pop_back();
      continue;
    }
    const std::size_t other = needed[next++];
    if (!seen[other]) {
      seen[other] = true;
      open.emplace_back(other, 0);
    }
  }
}

bool DynamicLinker::others_begin(const Thread& thread,
                                 const LibraryOpening& opening) const noexcept {
  return std::ranges::any_of(opening.order, [&](std::size_t place) {
    const Entry& entry = entries_[place];
    return entry.state == State::kBeginning && entry.beginner != thread.id() &&
           process_.threads().running(entry.beginner);
  });
}

io::Task<LibraryOpening> DynamicLinker::find(const Thread& thread, LibraryRequest request) {
  SELVEDGE_CO_TRY(const std::size_t place,
                  co_await enter(std::move(request.name), std::move(request.search_path), "", 0,
                                 request.only_known));
  LibraryOpening opening;
  opening.handle = handle_of(place);
  opening.deep = request.deep;
  add_in_order(place, opening.order);
  while (others_begin(thread, opening)) {
    co_await begun_.wait();
  }
  ++entries_[place].references;
  for (const std::size_t part : opening.order) {
    entries_[part].global |= request.global;
  }
  co_return opening;
}

std::vector<engine::LibraryNumber> DynamicLinker::global_scope() const {
  std::vector<engine::LibraryNumber> scope{engine::kProgram};
  for (const Entry& entry : entries_) {
    if (entry.global && entry.number != 0) {
      scope.push_back(entry.number);
    }
  }
  return scope;
}

void DynamicLinker::add_with_needed(std::size_t place,
                                    std::vector<engine::LibraryNumber>& scope) const {
  std::vector<std::size_t> line{place};  // breadth first
  for (std::size_t at = 0; at < line.size(); ++at) {
    const Entry& entry = entries_[line[at]];
    if (entry.number != 0 && std::ranges::find(scope, entry.number) == scope.end()) {
      scope.push_back(entry.number);
    }
    for (const std::size_t other : entry.needed) {
      if (std::ranges::find(line, other) == line.end()) {
        line.push_back(other);
      }
    }
  }
}

Result<std::uint32_t> DynamicLinker::reserve(Thread& thread, const engine::LibraryLayout& layout) {
  constexpr std::uint64_t kPage = engine::SharedMemory::kPageBytes;
  const auto aligned = [&layout](std::uint64_t address) {
    const std::uint64_t alignment = layout.memory_alignment;
    return (address + alignment - 1) / alignment * alignment;
  };
  if (aligned(spare_begin_) + layout.memory_bytes > spare_end_) {
    const std::uint64_t bytes = std::uint64_t{layout.memory_bytes} + layout.memory_alignment;
    const auto pages = static_cast<std::uint32_t>((bytes + kPage - 1) / kPage);
    const std::optional<std::uint32_t> before = process_.shared_memory() != nullptr
                                                    ? process_.grow_shared_memory(thread, pages)
                                                    : thread.grow_memory(pages);
    if (!before) {
      return fail_format(ErrorKind::kOverloaded, "there is no memory for {} bytes", bytes);
    }
    const std::uint64_t begin = std::uint64_t{*before} * kPage;
    spare_begin_ = begin == spare_end_ ? spare_begin_ : begin;
    spare_end_ = begin + std::uint64_t{pages} * kPage;
  }
  const std::uint64_t base = aligned(spare_begin_);
  spare_begin_ = base + layout.memory_bytes;
  return static_cast<std::uint32_t>(base);
}

Result<> DynamicLinker::link(Thread& thread, std::size_t place, bool deep) {
  Entry& entry = entries_[place];
  SELVEDGE_TRY(const std::uint32_t base, reserve(thread, entry.code->layout()));
  std::vector<engine::LibraryNumber> scope;
  if (deep) {
    add_with_needed(place, scope);
  }
  for (const engine::LibraryNumber number : global_scope()) {
    if (std::ranges::find(scope, number) == scope.end()) {
      scope.push_back(number);
    }
  }
  add_with_needed(place, scope);
  SELVEDGE_TRY(entry.number, engine::GuestLinks(thread).load(*entry.code, base, scope));
  entry.state = State::kBeginning;
  entry.beginner = thread.id();
  return {};
}

void DynamicLinker::fail_entry(std::size_t place, LibraryOpening& opening, const Error& error) {
  opening.error = fmt::format("{}: {}", entries_[place].path, error.message());
  entries_[place].state = State::kFailed;
  entries_[place].references = 0;  // nobody has a handle
  opening.next = opening.order.size();
  begun_.notify();
}

engine::TableIndex DynamicLinker::next_initializer(Thread& thread, LibraryOpening& opening) {
  using Stage = LibraryOpening::Stage;
  while (opening.next < opening.order.size()) {
    const std::size_t place = opening.order[opening.next];
    if (entries_[place].state == State::kFound) {
      if (const Result<> linked = link(thread, place, opening.deep); !linked) {
        fail_entry(place, opening, linked.error());
        return 0;
      }
      opening.stage = Stage::kRelocate;
    }
    Entry& entry = entries_[place];
    const bool ours = entry.state == State::kBeginning && entry.beginner == thread.id();
    if (!ours || opening.stage == Stage::kReady) {
      if (ours) {
        entry.state = State::kReady;
        begun_.notify();
      }
      ++opening.next;  // it was there before, is another thread's, or has begun
      opening.stage = Stage::kRelocate;
      continue;
    }
    const Result<engine::TableIndex> call = opening.stage == Stage::kRelocate
                                                ? relocation(thread, entry.number)
                                                : constructor(thread, entry.number);
    if (!call) {
      fail_entry(place, opening, call.error());
      return 0;
    }
    opening.stage = opening.stage == Stage::kRelocate ? Stage::kConstruct : Stage::kReady;
    if (*call != 0) {
      return *call;
    }
  }
  return 0;
}

bool DynamicLinker::valid(LibraryHandle handle) const noexcept {
  if (handle == abi::kDlProgram) {
    return true;
  }
  return handle >= kFirstHandle && handle - kFirstHandle < entries_.size() &&
         entries_[handle - kFirstHandle].references != 0;
}

Result<std::uint32_t> DynamicLinker::symbol(Thread& thread, LibraryHandle handle,
                                            std::string_view name) {
  std::vector<engine::LibraryNumber> scope;
  if (handle == abi::kDlDefault || handle == abi::kDlProgram) {
    scope = global_scope();
  } else if (valid(handle)) {
    add_with_needed(handle - kFirstHandle, scope);
  } else {
    return fail_format(ErrorKind::kInvalid, "{} is not the handle of a library", handle);
  }
  SELVEDGE_TRY(const std::optional<std::uint32_t> address,
               engine::GuestLinks(thread).symbol(scope, name));
  if (!address) {
    return fail_format(ErrorKind::kNotFound, "{}: the symbol is not defined", name);
  }
  return *address;
}

Result<> DynamicLinker::close(LibraryHandle handle) {
  if (!valid(handle)) {
    return fail_format(ErrorKind::kInvalid, "{} is not the handle of a library", handle);
  }
  if (handle >= kFirstHandle) {
    --entries_[handle - kFirstHandle].references;
  }
  return {};
}

}  // namespace selvedge::wasix
