#pragma once

// A node's logs of its apps: what shards collect is written by one thread, in batches, and read by
// others. No shard and no request ever waits for the disk: what comes faster than it takes is
// dropped, counted, and said in the log.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "logs/log_entry.h"
#include "logs/log_files.h"
#include "logs/log_reader.h"
#include "logs/record_batch.h"

namespace selvedge::logs {

// Shared by all shards; any thread.
class AppLogs {
 public:
  // Called on the writer's thread after entries of these apps were written.
  using Listener = std::function<void(std::span<const AppRecords> written)>;

  // `writer`: has one thread. Both outlive this, and the jobs of both end before this does.
  AppLogs(std::filesystem::path folder, LogLimits limits,
          io::HelperPool& writer [[clang::lifetimebound]],
          io::HelperPool& readers [[clang::lifetimebound]])
      : files_(std::move(folder), limits), writer_(writer), readers_(readers) {}

  // Before anything is written.
  void set_listener(Listener listener) { listener_ = std::move(listener); }

  // On the calling reactor. Errors are those of LogFiles, of the last app that has one;
  // kOverloaded.
  io::Task<> write(io::Reactor& reactor, std::vector<AppRecords> batches);
  io::Task<> remove(io::Reactor& reactor, std::string app);
  io::Task<std::vector<std::string>> apps(io::Reactor& reactor);
  io::Task<bool> contains(io::Reactor& reactor, std::string app);
  // At the first of the last `count` entries that match.
  io::Task<std::shared_ptr<LogReader>> open(io::Reactor& reactor, const std::string& app,
                                            LogQuery query, std::optional<std::size_t> count);
  // One at a time for each reader.
  io::Task<LogBatch> read(io::Reactor& reactor, std::shared_ptr<LogReader> reader);

 private:
  Result<> write_now(std::span<AppRecords> batches);

  LogFiles files_;
  io::HelperPool& writer_;
  io::HelperPool& readers_;
  Listener listener_;
  std::atomic<bool> failing_ = false;  // said so in the node's log
};

}  // namespace selvedge::logs
