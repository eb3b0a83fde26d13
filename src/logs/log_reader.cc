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
template <class Entries>
void put_in_order(Entries& entries) {
  for (auto begin = entries.begin(); begin != entries.end();) {
    base::WallTime latest = begin->time;
    const auto end = std::find_if(begin, entries.end(), [&latest](const auto& entry) {
      latest = std::max(latest, entry.time);
      return latest - entry.time >= kOrderTime;
    });
    std::sort(begin, end, [](const auto& left, const auto& right) {
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
  Matches found{.entries = {}, .end = internal::kSegmentMagic.size()};
  for (;;) {
    SELVEDGE_TRY(const auto part, read_part(segment, found.end));
    if (!part.has_value()) {
      return found;
    }
    const std::uint64_t begin = found.end;
    base::ByteSpan rest(part->bytes);
    while (const auto record = read_record(rest)) {
      if (query_.matches(record->entry)) {
        found.entries.push_back({.serial = segment.serial,
                                 .offset = found.end,
                                 .sequence = record->entry.sequence,
                                 .time = record->entry.time});
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
  std::vector<Match> matches;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    SELVEDGE_TRY(const Matches found, matches_in(*segment));
    serial_ = segment->serial;
    offset_ = internal::kSegmentMagic.size();
    if (count == 0) {
      offset_ = found.end;
      return {};
    }
    matches.insert(matches.begin(), found.entries.begin(), found.entries.end());
    if (matches.size() >= count) {
      seek_first_of_last(matches, count);
      return {};
    }
  }
  return {};
}

// Of so many in the order in which they are read.
void LogReader::seek_first_of_last(const std::vector<Match>& matches, std::size_t count) {
  std::vector<Match> ordered = matches;
  put_in_order(ordered);
  const auto chosen = ordered.end() - static_cast<std::ptrdiff_t>(count);
  const Match& first = *std::min_element(chosen, ordered.end(), [](const auto& l, const auto& r) {
    return std::pair(l.serial, l.offset) < std::pair(r.serial, r.offset);
  });
  serial_ = first.serial;
  offset_ = first.offset;
  for (auto match = ordered.begin(); match != chosen; ++match) {
    if (std::pair(match->serial, match->offset) > std::pair(first.serial, first.offset)) {
      passed_over_.push_back(match->sequence);
    }
  }
  std::ranges::sort(passed_over_);
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
  if (query_.matches(entry) && !std::ranges::binary_search(passed_over_, entry.sequence)) {
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
