#include "wasix/dynamic_linker.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/format.h"
#include "engine/engine.h"
#include "wasix/abi_dynamic.h"
#include "wasix/guest_path.h"
#include "wasix/internal/whole_file.h"
#include "wasix/process.h"
#include "wasix/workload.h"

namespace selvedge::wasix {

namespace {

constexpr std::string_view kSystemFolders = "/lib:/usr/lib:/usr/local/lib";
constexpr std::string_view kNeededFailed = "a library that it needs could not be loaded";
constexpr std::size_t kPlaceEnd = std::numeric_limits<LibraryHandle>::max() - kFirstLibraryHandle;

// A list with colons; without empty names.
std::vector<std::string> folders_of(std::string_view list) {
  std::vector<std::string> folders;
  while (!list.empty() && folders.size() < DynamicLinker::kFoldersMax) {
    const std::size_t end = std::min(list.find(':'), list.size());
    if (end != 0) {
      folders.emplace_back(list.substr(0, end));
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return folders;
}

// `folder` with what stands for the module's own folder replaced, where it begins with that.
std::string with_origin(std::string folder, std::string_view origin) {
  for (const std::string_view name : {"$ORIGIN", "${ORIGIN}"}) {
    const std::string_view rest =
        std::string_view(folder).substr(std::min(name.size(), folder.size()));
    if (folder.starts_with(name) && (rest.empty() || rest.starts_with('/'))) {
      return folder.replace(0, name.size(), origin);
    }
  }
  return folder;
}

std::string variable_of(const std::vector<std::string>& environment, std::string_view key) {
  for (const std::string_view entry : environment) {
    if (entry.starts_with(key) && entry.substr(key.size()).starts_with('=')) {
      return std::string(entry.substr(key.size() + 1));
    }
  }
  return {};
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

Result<DynamicLinker::FoundFile> DynamicLinker::find_file(const Wanted& wanted) {
  const std::string& working_directory = process_.working_directory();
  const std::string& name = wanted.name;
  std::vector<std::string> candidates;
  if (name.find('/') != std::string::npos) {
    candidates.push_back(absolute_path(working_directory, name));
  } else {
    for (const std::vector<std::string>& folders : {wanted.folders, folders_of(kSystemFolders)}) {
      for (const std::string& folder : folders) {
        candidates.push_back(absolute_path(absolute_path(working_directory, folder), name));
      }
    }
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

std::vector<DynamicLinker::Wanted> DynamicLinker::wanted_by(const engine::LibraryNeeds& needs,
                                                            std::string_view origin,
                                                            std::string_view search_path) const {
  std::vector<std::string> folders = folders_of(search_path);
  for (const std::string& folder : needs.folders) {
    for (std::string& part : folders_of(folder)) {
      folders.push_back(with_origin(std::move(part), origin));
    }
  }
  folders.resize(std::min(folders.size(), kFoldersMax));
  std::vector<Wanted> wanted;
  wanted.reserve(needs.names.size());
  for (const std::string& name : needs.names) {
    wanted.push_back({.name = name, .folders = folders});
  }
  return wanted;
}

std::optional<std::size_t> DynamicLinker::find_entry(const FoundFile& file) const noexcept {
  for (const auto& [place, entry] : entries_) {
    if (entry.path == file.path ||
        (entry.inode == file.stat.ino && entry.device == file.stat.dev && entry.inode != 0)) {
      return place;
    }
  }
  return std::nullopt;
}

// Takes an entry out whose needs were never all found: a failure, or the end of the task.
class DynamicLinker::Finding {
 public:
  Finding(DynamicLinker& linker, std::size_t place) noexcept : linker_(linker), place_(place) {}
  ~Finding() {
    const auto found = linker_.entries_.find(place_);
    if (found != linker_.entries_.end() && found->second.state == State::kFinding) {
      linker_.drop(place_);
    }
  }
  Finding(const Finding&) = delete;
  Finding& operator=(const Finding&) = delete;

  void finish(Entry& entry) noexcept {
    entry.state = State::kFound;
    linker_.begun_.notify();
  }

 private:
  DynamicLinker& linker_;
  std::size_t place_;
};

// Names are copied: what they come from may move while a file is read.
io::Task<std::size_t> DynamicLinker::enter(Wanted wanted, std::string search_path,
                                           std::size_t depth, bool only_known) {
  const std::string& name = wanted.name;
  SELVEDGE_CO_TRY(FoundFile file, find_file(wanted));
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
  SELVEDGE_CO_TRY(auto bytes, co_await internal::read_whole_file(process_, file.file));
  if (!bytes) {
    co_return fail_format(ErrorKind::kInvalid, "{}: the file cannot be read", name);
  }
  auto code = co_await loader->load_library(*std::move(bytes));
  if (!code) {
    co_return fail_format(ErrorKind::kInvalid, "{}: {}", name, code.error().message());
  }
  // Another thread may have been faster.
  if (const auto known = find_entry(file)) {
    co_return *known;
  }
  if (entries_.size() >= kLibrariesMax || depth >= kDepthMax || next_place_ == kPlaceEnd) {
    co_return fail_format(ErrorKind::kOverloaded, "{}: too many libraries", name);
  }
  const std::size_t place = next_place_++;
  const std::string folder(folder_of(file.path));
  std::vector<Wanted> needed = wanted_by((*code)->needs(), folder, search_path);
  entries_.emplace(place, Entry{.path = std::move(file.path),
                                .device = file.stat.dev,
                                .inode = file.stat.ino,
                                .code = *std::move(code),
                                .needed = {}});
  Finding finding(*this, place);
  for (Wanted& other : needed) {
    other.folders.push_back(folder);
    auto found = co_await enter(other, search_path, depth + 1, false);
    if (!found) {
      co_return fail_format(found.error().kind(), "{}, which {} needs", found.error().message(),
                            name);
    }
    // Meanwhile a library that this one needs may have failed for another thread.
    const auto entry = entries_.find(place);
    if (entry == entries_.end() || !entries_.contains(*found)) {
      co_return fail_format(ErrorKind::kInvalid, "{}: {}", name, kNeededFailed);
    }
    entry->second.needed.push_back(*found);
  }
  finding.finish(entries_.at(place));
  co_return place;
}

void DynamicLinker::drop(std::size_t place) noexcept {
  std::vector<std::size_t> line{place};
  while (!line.empty()) {
    const std::size_t gone = line.back();
    line.pop_back();
    entries_.erase(gone);
    for (auto& [other, entry] : entries_) {
      const bool needs_it = std::erase(entry.needed, gone) != 0;
      if (needs_it && (entry.state == State::kFinding || entry.state == State::kFound)) {
        line.push_back(other);
      }
    }
  }
  begun_.notify();
}

std::vector<std::size_t> DynamicLinker::in_order(const std::vector<std::size_t>& places) const {
  // Depth first, with an explicit stack: the place, and which of its needs comes next.
  std::vector<std::pair<std::size_t, std::size_t>> open;
  std::set<std::size_t> seen;
  std::vector<std::size_t> order;
  auto next_place = places.begin();
  while (!open.empty() || next_place != places.end()) {
    if (open.empty()) {
      if (seen.insert(*next_place).second) {
        open.emplace_back(*next_place, 0);
      }
      ++next_place;
      continue;
    }
    auto& [current, next] = open.back();
    const std::vector<std::size_t>& needed = entries_.at(current).needed;
    if (next == needed.size()) {
      order.push_back(current);
      open.pop_back();
      continue;
    }
    const std::size_t other = needed[next++];
    if (seen.insert(other).second) {
      open.emplace_back(other, 0);
    }
  }
  return order;
}

bool DynamicLinker::others_are_busy(const Thread& thread,
                                    const std::vector<std::size_t>& places) const noexcept {
  return std::ranges::any_of(places, [&](std::size_t place) {
    const Entry& entry = entries_.at(place);
    const bool begins = entry.state == State::kLinked || entry.state == State::kConstructing;
    return entry.state == State::kFinding ||
           (begins && entry.beginner != thread.id() && process_.threads().running(entry.beginner));
  });
}

io::Task<LibraryOpening> DynamicLinker::find(const Thread& thread, LibraryRequest request) {
  const std::string name = request.name;
  SELVEDGE_CO_TRY(
      const std::size_t place,
      co_await enter({.name = std::move(request.name), .folders = folders_of(request.search_path)},
                     request.search_path, 0, request.only_known));
  LibraryOpening opening;
  opening.handle = static_cast<LibraryHandle>(place) + kFirstLibraryHandle;
  opening.deep = request.deep;
  while (true) {
    if (!entries_.contains(place)) {
      co_return fail_format(ErrorKind::kInvalid, "{}: {}", name, kNeededFailed);
    }
    opening.order = in_order({place});
    if (!others_are_busy(thread, opening.order)) {
      break;
    }
    co_await begun_.wait();
  }
  ++entries_.at(place).references;
  for (const std::size_t part : opening.order) {
    entries_.at(part).global |= request.global;
  }
  co_return opening;
}

io::Task<LibraryOpening> DynamicLinker::find_needed(engine::LibraryNeeds needs) {
  const std::string search_path = variable_of(process_.environment(), "LD_LIBRARY_PATH");
  LibraryOpening opening;
  opening.handle = abi::kDlProgram;
  opening.binds_program = true;
  // Where the program itself is, its process does not know.
  const std::vector<Wanted> needed = wanted_by(needs, process_.working_directory(), search_path);
  for (const Wanted& wanted : needed) {
    auto found = co_await enter(wanted, search_path, 0, false);
    if (!found) {
      co_return fail_format(found.error().kind(), "{}, which the program needs",
                            found.error().message());
    }
    opening.roots.push_back(*found);
  }
  opening.order = in_order(opening.roots);
  for (const std::size_t part : opening.order) {
    entries_.at(part).global = true;
  }
  co_return opening;
}

}  // namespace selvedge::wasix
