#pragma once

// Where what a program says goes, and what is said of it: the log of its app, on a node; else the
// log of this process, line by line and escaped. And what is counted of it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/app_metrics.h"
#include "logs/log_entry.h"
#include "logs/shard_log.h"

namespace selvedge::app {

// One shard's thread. Copies lead to the same log.
class VersionLog {
 public:
  // The log of this process, under this name.
  explicit VersionLog(std::string program = {})
      : program_(std::move(program)), metrics_(std::make_shared<VersionMetrics>()) {}
  // `log` outlives this.
  VersionLog(logs::ShardLog& log, const std::string& app, std::uint64_t version,
             std::shared_ptr<VersionMetrics> metrics)
      : log_(&log), channel_(log.channel(app)), version_(version), metrics_(std::move(metrics)) {}

  // Never null.
  const std::shared_ptr<VersionMetrics>& metrics() const noexcept [[clang::lifetimebound]] {
    return metrics_;
  }

  // What any of these needs, for who is about to call them.
  void prefetch() const noexcept;
  // A number for an instance that starts: 1 and so on.
  std::uint64_t next_instance() const noexcept;
  // A line that an instance wrote; as it is, in this process's log escaped.
  void output(logs::Stream stream, std::string_view line, std::string_view request_id,
              std::uint64_t instance) const;
  // What happened to the program, one sentence for its owner; in this process's log too. It may
  // quote the program.
  void platform(std::string_view sentence, std::string_view request_id = {},
                std::uint64_t instance = 0) const;
  // The same for what may happen at every request: in this process's log at level debug only.
  void remark(std::string_view sentence, std::string_view request_id) const;
  // A request that has ended: counted, and in an app's log.
  void request(std::string_view path, logs::RequestSummary summary,
               std::string_view request_id) const;

 private:
  void add(logs::Stream stream, std::string_view text, std::string_view request_id,
           std::uint64_t instance, std::optional<logs::RequestSummary> request) const;

  std::string program_;
  logs::ShardLog* log_ = nullptr;
  std::shared_ptr<logs::ShardLog::Channel> channel_;
  std::uint64_t version_ = 0;
  std::shared_ptr<VersionMetrics> metrics_;
};

}  // namespace selvedge::app
