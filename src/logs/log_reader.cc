#include "logs/log_reader.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/errno_error.h"
#include "base/unique_fd.h"

namespace selvedge::logs {
namespace {

// Shards write one after the other, and let entries wait: what happened within this time may stand
// in any order.
constexpr base::Duration kOrderTime = kEntryWaitTimeMax + std::chrono::seconds(1);

// By time, but for a clock that was set back: what came after that stays behind.
void put_in_order(std::vector<Entry>& entries) {
  for (auto begin = entries.begin(); begin != entries.end();) {
    base::WallTime latest = begin->time;
    const auto end = std::find_if(begin, entries.end(), [&latest](const Entry& entry) {
      latest = std::max(latest, entry.time);
      return latest - entry.time >= kOrderTime;
    });
    std::sort(begin, end, [](const Entry& left, const Entry& right) {
      return std::pair(left.time, left.sequence) < std::pair(right.time, right.sequence);
    });
    begin = end;
  }
}

}  // namespace

bool LogQuery::matches(const Entry& entry) const {
  return (!from || entry.time >= *from) && (!until || entry.time < *until) &&
         (!version || entry.version == *version) && (!stream || entry.stream == *stream) &&
         (!request_id || entry.request_id == *request_id);
}

// nullopt: the file is gone.
Result<std::optional<LogReader::Part>> LogReader::read_part(const internal::SegmentName& segment,
                                                            std::uint64_t offset) const {
  const auto path = folder_ / to_string(segment);
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) {
    if (errno == ENOENT) {
      return std::optional<Part>();
    }
    return fail(base::errno_error(errno, path.string()));
  }
  Part part{.bytes = std::vector<std::byte>(kBatchBytes), .offset = offset};
  SELVEDGE_TRY(const std::size_t count, internal::read_at(file.get(), offset, part.bytes));
  part.file_ended = count < kBatchBytes;
  part.bytes.resize(count);
  return std::optional(std::move(part));
}

Result<LogReader::Matches> LogReader::matches_in(const internal::SegmentName& segment) const {
  Matches found{.offsets = {}, .end = internal::kSegmentMagic.size()};
  for (;;) {
    SELVEDGE_TRY(const auto part, read_part(segment, found.end));
    if (!part.has_value()) {
      return found;
    }
    const std::uint64_t begin = found.end;
    base::ByteSpan rest(part->bytes);
    while (const auto record = read_record(rest)) {
      if (query_.matches(record->entry)) {
        found.offsets.push_back(found.end);
      }
      found.end += record->bytes;
      rest = rest.subspan(record->bytes);
    }
    if (part->file_ended || found.end == begin) {
      return found;
    }
  }
}

Result<> LogReader::seek_last(std::size_t count) {
  SELVEDGE_TRY(const auto segments, internal::list_segments(folder_));
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    SELVEDGE_TRY(const Matches found, matches_in(*segment));
    serial_ = segment->serial;
    offset_ = internal::kSegmentMagic.size();
    if (count == 0) {
      offset_ = found.end;
      return {};
    }
    if (found.offsets.size() >= count) {
      offset_ = found.offsets[found.offsets.size() - count];
      return {};
    }
    count -= found.offsets.size();
  }
  return {};
}

std::optional<internal::SegmentName> LogReader::find_segment(
    const std::vector<internal::SegmentName>& segments) {
  const auto found = std::ranges::find_if(
      segments, [this](const auto& segment) { return !serial_ || segment.serial >= *serial_; });
  if (found == segments.end()) {
    return std::nullopt;
  }
  if (found->serial != serial_) {
    serial_ = found->serial;
    offset_ = internal::kSegmentMagic.size();
  }
  return *found;
}

void LogReader::take(const Entry& entry, LogBatch& batch) {
  if (next_sequence_ && entry.sequence > *next_sequence_) {
    batch.missed += entry.sequence - *next_sequence_;
  }
  next_sequence_ = entry.sequence + 1;
  if (query_.matches(entry)) {
    batch.entries.push_back(entry);
  }
}

Result<LogBatch> LogReader::read() {
  SELVEDGE_TRY(const auto segments, internal::list_segments(folder_));
  LogBatch batch;
  const auto segment = find_segment(segments);
  if (!segment.has_value()) {
    batch.at_end = true;
    return batch;
  }
  SELVEDGE_TRY(const auto part, read_part(*segment, offset_));
  if (!part.has_value()) {
    return batch;  // it went just now: the next call finds the one after it
  }
  base::ByteSpan rest(part->bytes);
  const std::uint64_t begin = offset_;
  while (const auto record = read_record(rest)) {
    take(record->entry, batch);
    offset_ += record->bytes;
    rest = rest.subspan(record->bytes);
  }
  if (part->file_ended || offset_ == begin) {
    // The rest, if there is any, is being written or damaged: if another segment follows, the
    // latter.
    if (segment->serial == segments.back().serial) {
      batch.at_end = true;
    } else {
      serial_ = segment->serial + 1;
      offset_ = internal::kSegmentMagic.size();
    }
  }
  put_in_order(batch.entries);
  return batch;
}

}  // namespace selvedge::logs
