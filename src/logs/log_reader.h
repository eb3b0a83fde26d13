#pragma once

// Reads an app's log while it is being written, in the order in which it was written, a batch at a
// time. Where entries have gone since the last batch, it says how many.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "logs/internal/segment_name.h"
#include "logs/log_entry.h"

namespace selvedge::logs {

// What is wanted of a log: entries for which all of this holds.
struct LogQuery {
  std::optional<base::WallTime> from = std::nullopt;   // at or after it
  std::optional<base::WallTime> until = std::nullopt;  // before it
  std::optional<std::uint64_t> version = std::nullopt;
  std::optional<Stream> stream = std::nullopt;
  std::optional<std::string> request_id = std::nullopt;

  bool matches(const Entry& entry) const;
};

struct LogBatch {
  // By time where the sequence is not: entries of several shards that may have waited for
  // each other.
  std::vector<Entry> entries;
  // Entries, matching or not, that were overwritten between the last batch and this one.
  std::uint64_t missed = 0;
  // There is no more now.
  bool at_end = false;
};

// Blocks; one thread at a time.
class LogReader {
 public:
  // Of file that one batch looks at.
  static constexpr std::size_t kBatchBytes = std::size_t{256} << 10;

  // `folder`: LogFiles::folder_of the app. At the oldest entry.
  LogReader(std::filesystem::path folder, LogQuery query)
      : folder_(std::move(folder)), query_(std::move(query)) {}

  // To the first of the last `count` entries that match, in the order in which they are read; 0:
  // behind all of them.
  Result<> seek_last(std::size_t count);
  // The next entries that match, if any do in the next part of the log.
  Result<LogBatch> read();

 private:
  struct Part {
    std::vector<std::byte> bytes;
    std::uint64_t offset = 0;
    bool file_ended = false;
  };

  Result<std::optional<Part>> read_part(const internal::SegmentName& segment,
                                        std::uint64_t offset) const;
  struct Match {
    std::uint64_t serial = 0;  // of its segment
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;
    base::WallTime time;
  };
  struct Matches {
    std::vector<Match> entries;
    std::uint64_t end = 0;  // of the last entry, matching or not
  };
  Result<Matches> matches_in(const internal::SegmentName& segment) const;
  void seek_first_of_last(const std::vector<Match>& matches, std::size_t count);
  // To the segment that goes on where the present one is; nullopt: there is none.
  std::optional<internal::SegmentName> find_segment(
      const std::vector<internal::SegmentName>& segments);
  void take(const Entry& entry, LogBatch& batch);

  std::filesystem::path folder_;
  LogQuery query_;
  std::optional<std::uint64_t> serial_;
  std::uint64_t offset_ = 0;
  std::optional<std::uint64_t> next_sequence_;
  // Behind where it began, but by time before: not among the last ones. Ascending.
  std::vector<std::uint64_t> passed_over_;
};

}  // namespace selvedge::logs
