#pragma once

// The logs of a node's apps, as the main thread has them: who follows one is told when it grows.

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "app/app_metrics.h"
#include "app/app_store.h"
#include "base/result.h"
#include "io/event.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "logs/app_logs.h"
#include "logs/shard_log.h"

namespace selvedge::node {

// The main thread's, but for logs().
class NodeLogs {
 public:
  static constexpr std::size_t kFollowersMax = 64;

  // For each shard the scope in which others' questions to it run.
  using Shards = std::vector<std::unique_ptr<io::TaskScope>>;

  // As logs::AppLogs; `reactor` is the main thread's.
  NodeLogs(io::Reactor& reactor [[clang::lifetimebound]], std::filesystem::path folder,
           logs::LogLimits limits, io::HelperPool& writer [[clang::lifetimebound]],
           io::HelperPool& readers [[clang::lifetimebound]]);
  NodeLogs(const NodeLogs&) = delete;
  NodeLogs& operator=(const NodeLogs&) = delete;

  // Any thread.
  logs::AppLogs& logs() noexcept [[clang::lifetimebound]] { return logs_; }

  // Where a removed app is forgotten too; outlives this.
  void set_metrics(app::AppMetrics& metrics) { metrics_ = &metrics; }
  // Before any shard runs. `shards` outlives this.
  void set_shards(const Shards& shards);
  // On the shard's own thread: it serves with this log, from now on until it is nullptr.
  void attach(std::size_t shard, logs::ShardLog* log) noexcept { shard_logs_[shard] = log; }

  // Completes when what shards have said of the app until now can be read.
  io::Task<> flush(std::string app);
  // All that there is of the app, and all that its programs which still run will say.
  io::Task<> remove(std::string app);
  // The same, if the store has no such app: another node may have removed it. nullopt: of every app
  // that the store does not have.
  io::Task<> remove_if_gone(std::optional<std::string> app, app::AppStore& store,
                            io::HelperPool& helpers);

  // For as long as it lives, changed() is set whenever the app's log has grown, which then is soon
  // after something was said, and at stop().
  class Follower {
   public:
    // kOverloaded: too many follow.
    static Result<std::unique_ptr<Follower>> create(NodeLogs& logs [[clang::lifetimebound]],
                                                    std::string app);
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    ~Follower();
    io::Event& changed() noexcept [[clang::lifetimebound]] { return changed_; }

   private:
    friend class NodeLogs;
    Follower(NodeLogs& logs, std::string app)
        : logs_(logs), app_(std::move(app)), changed_(logs.reactor_) {}

    NodeLogs& logs_;
    std::string app_;
    io::Event changed_;
  };

  // Nobody has to wait for more.
  void stop() noexcept;
  bool stopping() const noexcept { return stopping_; }

 private:
  io::Task<> remove_all_gone(app::AppStore& store, io::HelperPool& helpers);
  void written(std::span<const logs::AppRecords> batches);
  // Of the app's followers there is one more, or one less.
  void tell_shards(const std::string& app, bool more);
  void wake(const std::set<std::string>& apps) noexcept;

  io::Reactor& reactor_;
  logs::AppLogs logs_;
  app::AppMetrics* metrics_ = nullptr;
  const Shards* shards_ = nullptr;
  // Each set and read on its shard's thread only.
  std::vector<logs::ShardLog*> shard_logs_;
  std::set<Follower*> followers_;
  std::atomic<std::size_t> follower_count_ = 0;  // read by the writer's thread
  bool stopping_ = false;
};

}  // namespace selvedge::node
