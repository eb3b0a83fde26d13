#include "logs/log_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/errno_error.h"
#include "base/format.h"
#include "base/unique_fd.h"

namespace selvedge::logs {
namespace {

namespace fs = std::filesystem;

constexpr int kSerialAttemptsMax = 1000;

Result<base::UniqueFd> open_file(const fs::path& path, int flags) {
  base::UniqueFd file(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) {
    return fail(base::errno_error(errno, path.string()));
  }
  return file;
}

Result<> make_folder(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(base::errno_error(errno, path.string()));
  }
  return {};
}

Result<> write_at(int file, std::uint64_t offset, base::ByteSpan bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail(base::errno_error(errno, path.string()));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::size_t>(count);
  }
  return {};
}

Result<std::vector<std::byte>> read_file(const fs::path& path, std::uint64_t bytes_max) {
  SELVEDGE_TRY(const auto file, open_file(path, O_RDONLY));
  std::vector<std::byte> bytes(bytes_max);
  SELVEDGE_TRY(const std::size_t count, internal::read_at(file.get(), 0, bytes));
  bytes.resize(count);
  return bytes;
}

}  // namespace

std::uint64_t LogFiles::total_bytes() const {
  const std::lock_guard lock(mutex_);
  return total_bytes_;
}

Result<> LogFiles::scan() {
  if (scanned_) {
    return {};
  }
  apps_.clear();
  total_bytes_ = 0;
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder_, error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    SELVEDGE_TRY_VOID(scan_app(entry->path()));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return fail(base::errno_error(error.value(), folder_.string()));
  }
  // When they were begun stands for when they were written to.
  std::map<std::uint64_t, std::pair<std::string, Segment*>> by_serial;
  for (auto& [name, app] : apps_) {
    for (Segment& segment : app.segments) {
      by_serial.insert_or_assign(segment.name.serial, std::pair(name, &segment));
    }
  }
  for (const auto& [serial, found] : by_serial) {
    touch(found.first, *found.second);
    next_serial_ = serial + 1;
  }
  scanned_ = true;
  return {};
}

Result<> LogFiles::scan_app(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return {};
  }
  SELVEDGE_TRY(const auto names, internal::list_segments(folder));
  App& app = apps_[folder.filename().string()];
  for (const internal::SegmentName& name : names) {
    const std::uint64_t bytes = fs::file_size(folder / to_string(name), error);
    if (error) {
      return fail(base::errno_error(error.value(), (folder / to_string(name)).string()));
    }
    app.segments.push_back({.name = name, .bytes = bytes});
    app.bytes += bytes;
    total_bytes_ += bytes;
  }
  return {};
}

void LogFiles::touch(const std::string& name, Segment& segment) {
  ages_.erase(segment.age);
  segment.age = next_age_++;
  ages_.emplace(segment.age, name);
}

// Cuts off what a crash has torn.
Result<> LogFiles::recover(const std::string& name, App& app) {
  if (app.recovered) {
    return {};
  }
  if (!app.segments.empty()) {
    Segment& last = app.segments.back();
    const fs::path path = folder_of(name) / to_string(last.name);
    SELVEDGE_TRY(const auto bytes, read_file(path, last.bytes));
    app.next_sequence = last.name.first_sequence;
    std::uint64_t end = std::min<std::uint64_t>(internal::kSegmentMagic.size(), bytes.size());
    while (const auto record = read_record(base::ByteSpan(bytes).subspan(end))) {
      end += record->bytes;
      app.next_sequence = record->entry.sequence + 1;
    }
    if (!limits_.beside_another) {
      SELVEDGE_TRY(const auto file, open_file(path, O_WRONLY));
      if (::ftruncate(file.get(), static_cast<off_t>(end)) != 0) {
        return fail(base::errno_error(errno, path.string()));
      }
      app.bytes -= last.bytes - end;
      total_bytes_ -= last.bytes - end;
      last.bytes = end;
      app.segment_open = true;
    }
  }
  app.recovered = true;
  return {};
}

Result<> LogFiles::append(const std::string& name, RecordBatch& batch) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY_VOID(scan());
  App& app = apps_[name];
  auto written = recover(name, app);
  if (written.has_value() && app.lost > 0 && !batch.empty()) {
    RecordBatch first;
    first.add(
        {.time = record_time(batch.bytes()),
         .stream = Stream::kPlatform,
         .text = fmt::format("{} entries are missing here: they could not be written", app.lost)});
    written = write(name, app, first.bytes());
    app.lost = written.has_value() ? 0 : app.lost;
  }
  const std::uint64_t sequence = app.next_sequence;
  if (written.has_value()) {
    written = write(name, app, batch.bytes());
  }
  app.lost += batch.count() - (app.next_sequence - sequence);
  return written;
}

Result<> LogFiles::write(const std::string& name, App& app, base::MutableByteSpan records) {
  std::uint64_t sequence = app.next_sequence;
  std::size_t end = 0;  // of what goes into the segment that is written to
  while (end < records.size()) {
    SELVEDGE_TRY(const std::size_t size, record_size(records.subspan(end)));
    const std::uint64_t present = app.segments.empty() ? 0 : app.segments.back().bytes;
    if (end > 0 && present + end + size > segment_bytes_max()) {
      SELVEDGE_TRY_VOID(write_segment(name, app, records.first(end)));
      app.next_sequence = sequence;
      records = records.subspan(end);
      end = 0;
    }
    seal_record(records.subspan(end, size), sequence);
    ++sequence;
    end += size;
  }
  if (end > 0) {
    SELVEDGE_TRY_VOID(write_segment(name, app, records));
    app.next_sequence = sequence;
  }
  return {};
}

// Entries from next_sequence on.
Result<> LogFiles::write_segment(const std::string& name, App& app, base::ByteSpan bytes) {
  SELVEDGE_TRY(const auto file, open_segment(name, app, bytes.size()));
  make_room(name, app, bytes.size());
  Segment& segment = app.segments.back();
  const fs::path path = folder_of(name) / to_string(segment.name);
  if (auto written = write_at(file.get(), segment.bytes, bytes, path); !written.has_value()) {
    // Half a record would be overwritten by the next one; a reader must not wait for its rest.
    [[maybe_unused]] const int cut = ::ftruncate(file.get(), static_cast<off_t>(segment.bytes));
    return written;
  }
  segment.bytes += bytes.size();
  app.bytes += bytes.size();
  total_bytes_ += bytes.size();
  touch(name, segment);
  return {};
}

Result<base::UniqueFd> LogFiles::open_segment(const std::string& name, App& app,
                                              std::size_t bytes) {
  if (app.segment_open && app.segments.back().bytes + bytes <= segment_bytes_max()) {
    auto file = open_file(folder_of(name) / to_string(app.segments.back().name), O_WRONLY);
    // The process that takes over from this one makes room too.
    if (file.has_value() || file.error().kind() != ErrorKind::kNotFound) {
      return file;
    }
  }
  return begin_segment(name, app);
}

Result<base::UniqueFd> LogFiles::begin_segment(const std::string& name, App& app) {
  SELVEDGE_TRY_VOID(make_folder(folder_));
  SELVEDGE_TRY_VOID(make_folder(folder_of(name)));
  for (int attempt = 0;; ++attempt) {
    Segment made{.name = {.serial = next_serial_, .first_sequence = app.next_sequence},
                 .bytes = internal::kSegmentMagic.size()};
    ++next_serial_;
    const fs::path path = folder_of(name) / to_string(made.name);
    auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
    if (!file.has_value() && fs::exists(path) && attempt < kSerialAttemptsMax) {
      continue;  // of the process beside this one
    }
    SELVEDGE_TRY(auto opened, std::move(file));
    SELVEDGE_TRY_VOID(write_at(opened.get(), 0, base::as_bytes(internal::kSegmentMagic), path));
    app.bytes += made.bytes;
    total_bytes_ += made.bytes;
    touch(name, made);
    app.segments.push_back(made);
    app.segment_open = true;
    return opened;
  }
}

// Of the app itself; then of whoever has not been written to for longest. The segment that is
// written to stays.
void LogFiles::make_room(const std::string& name, App& app, std::uint64_t bytes) {
  while (app.segments.size() > 1 && app.bytes + bytes > limits_.app_bytes_max) {
    remove_oldest(name, app);
  }
  const std::uint64_t kept = app.segments.back().age;
  while (total_bytes_ + bytes > limits_.total_bytes_max && ages_.begin()->first != kept) {
    const std::string victim = ages_.begin()->second;
    const auto found = apps_.find(victim);
    remove_oldest(victim, found->second);
  }
}

void LogFiles::remove_oldest(const std::string& name, App& app) {
  const Segment& oldest = app.segments.front();
  std::error_code error;
  // A file that stays is found again at the next start.
  fs::remove(folder_of(name) / to_string(oldest.name), error);
  ages_.erase(oldest.age);
  app.bytes -= oldest.bytes;
  total_bytes_ -= oldest.bytes;
  app.segments.erase(app.segments.begin());
  app.segment_open = app.segment_open && !app.segments.empty();
}

Result<> LogFiles::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY_VOID(scan());
  const auto found = apps_.find(name);
  if (found == apps_.end()) {
    return {};
  }
  while (!found->second.segments.empty()) {
    remove_oldest(name, found->second);
  }
  apps_.erase(found);
  std::error_code error;
  fs::remove_all(folder_of(name), error);
  if (error) {
    return fail(base::errno_error(error.value(), folder_of(name).string()));
  }
  return {};
}

Result<std::vector<std::string>> LogFiles::apps() {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY_VOID(scan());
  std::vector<std::string> names;
  for (const auto& [name, app] : apps_) {
    if (!app.segments.empty()) {
      names.push_back(name);
    }
  }
  return names;
}

Result<bool> LogFiles::contains(const std::string& name) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY_VOID(scan());
  const auto found = apps_.find(name);
  return found != apps_.end() && !found->second.segments.empty();
}

}  // namespace selvedge::logs
