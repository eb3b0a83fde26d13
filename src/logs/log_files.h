#pragma once

// The logs of all apps on this machine's disk: for each app a ring of segments, of bounded size,
// and a bound for all of them together. What was written longest ago goes first.
//
// Entries are not synced to the disk: a node that is killed loses none that were written, a machine
// that loses power the last seconds. A record that is torn then is overwritten.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "logs/internal/segment_name.h"
#include "logs/log_entry.h"
#include "logs/record_batch.h"

namespace selvedge::logs {

struct LogLimits {
  std::uint64_t app_bytes_max = std::uint64_t{16} << 20;
  std::uint64_t total_bytes_max = std::uint64_t{1} << 30;
  // Another process still writes there: no segment of before is gone on with.
  bool beside_another = false;
};
// A ring has so many segments, of which one is given up at a time.
inline constexpr std::uint64_t kSegmentsPerApp = 8;
inline constexpr std::uint64_t kAppBytesMin = std::uint64_t{64} << 10;

// Blocks; any thread. Names of apps are such that they can be names of files.
class LogFiles {
 public:
  // Reads no file before it is needed. `folder` is made when something is written.
  LogFiles(std::filesystem::path folder, LogLimits limits)
      : folder_(std::move(folder)), limits_(limits) {}

  // Writes the entries behind those that are there, and gives them their sequences. With an error
  // some are not there, and the next append that works says how many are missing.
  Result<> append(const std::string& app, RecordBatch& batch);
  // All that is there of the app.
  Result<> remove(const std::string& app);
  Result<bool> contains(const std::string& app);
  // Those that have a log.
  Result<std::vector<std::string>> apps();

  std::filesystem::path folder_of(const std::string& app) const { return folder_ / app; }
  std::uint64_t total_bytes() const;

 private:
  struct Segment {
    internal::SegmentName name;
    std::uint64_t bytes = 0;
    std::uint64_t age = 0;  // its key in ages_
  };
  struct App {
    std::vector<Segment> segments;  // the newest last
    std::uint64_t next_sequence = 1;
    std::uint64_t bytes = 0;
    std::uint64_t lost = 0;     // entries that could not be written
    bool segment_open = false;  // the newest one may be gone on with
    bool recovered = false;     // the newest segment's end and next_sequence are known
  };

  Result<> scan();
  Result<> scan_app(const std::filesystem::path& folder);
  Result<> recover(const std::string& name, App& app);
  Result<> write(const std::string& name, App& app, base::MutableByteSpan records);
  // The file of the newest segment, or of a new one.
  Result<base::UniqueFd> open_segment(const std::string& name, App& app, std::size_t bytes);
  Result<> write_segment(const std::string& name, App& app, base::ByteSpan bytes);
  Result<base::UniqueFd> begin_segment(const std::string& name, App& app);
  void make_room(const std::string& name, App& app, std::uint64_t bytes);
  void remove_oldest(const std::string& name, App& app);
  // The segment was written to: of all it is now the last to go.
  void touch(const std::string& name, Segment& segment);
  std::uint64_t segment_bytes_max() const noexcept {
    return limits_.app_bytes_max / kSegmentsPerApp;
  }

  std::filesystem::path folder_;
  LogLimits limits_;
  mutable std::mutex mutex_;
  bool scanned_ = false;
  std::map<std::string, App, std::less<>> apps_;
  std::map<std::uint64_t, std::string> ages_;  // of all segments: when it was written to, its app
  std::uint64_t next_serial_ = 1;
  std::uint64_t next_age_ = 1;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace selvedge::logs
