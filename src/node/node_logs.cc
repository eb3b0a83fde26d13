#include "node/node_logs.h"

#include <algorithm>

#include "io/remote_task.h"

namespace selvedge::node {

NodeLogs::NodeLogs(io::Reactor& reactor, std::filesystem::path folder, logs::LogLimits limits,
                   io::HelperPool& writer, io::HelperPool& readers)
    : reactor_(reactor), logs_(std::move(folder), limits, writer, readers) {
  logs_.set_listener([this](std::span<const logs::AppRecords> batches) { written(batches); });
}

// On the writer's thread.
void NodeLogs::written(std::span<const logs::AppRecords> batches) {
  if (follower_count_ == 0) {
    return;
  }
  std::set<std::string> apps;
  for (const logs::AppRecords& batch : batches) {
    apps.insert(batch.app);
  }
  reactor_.post([this, apps = std::move(apps)] { wake(apps); });
}

void NodeLogs::wake(const std::set<std::string>& apps) noexcept {
  for (Follower* const follower : followers_) {
    if (apps.contains(follower->app_)) {
      follower->changed_.set();
    }
  }
}

void NodeLogs::stop() noexcept {
  stopping_ = true;
  for (Follower* const follower : followers_) {
    follower->changed_.set();
  }
}

io::Task<> NodeLogs::flush(std::string app) {
  for (std::size_t shard = 0; shard < shard_logs_.size(); ++shard) {
    // What a shard that ends has said is written then.
    [[maybe_unused]] const auto done =
        co_await io::run_on(*(*shards_)[shard], reactor_, [this, shard, app] {
          return shard_logs_[shard] != nullptr ? shard_logs_[shard]->flush(app)
                                               : io::Task<>::ready({});
        });
  }
  co_return {};
}

io::Task<> NodeLogs::remove(std::string app) {
  if (metrics_ != nullptr) {
    metrics_->forget(app);
  }
  for (std::size_t shard = 0; shard < shard_logs_.size(); ++shard) {
    // A shard that has ended says no more.
    [[maybe_unused]] const auto done =
        co_await io::run_on(*(*shards_)[shard], reactor_, [this, shard, app] {
          if (shard_logs_[shard] != nullptr) {
            shard_logs_[shard]->remove(app);
          }
          return io::Task<>::ready({});
        });
  }
  co_return co_await logs_.remove(reactor_, app);
}

io::Task<> NodeLogs::remove_if_gone(std::optional<std::string> app, app::AppStore& store,
                                    io::HelperPool& helpers) {
  if (!app.has_value()) {
    co_return co_await remove_all_gone(store, helpers);
  }
  SELVEDGE_CO_TRY(const bool has_log, co_await logs_.contains(reactor_, *app));
  if (!has_log) {
    co_return {};
  }
  SELVEDGE_CO_TRY(const auto versions, co_await helpers.run(reactor_, [&store, name = *app] {
    return store.versions(name);
  }));
  co_return versions.empty() ? co_await remove(*app) : Result<>();
}

io::Task<> NodeLogs::remove_all_gone(app::AppStore& store, io::HelperPool& helpers) {
  // First those that have logs: who gets one meanwhile is an app of the store.
  SELVEDGE_CO_TRY(const auto logged, co_await logs_.apps(reactor_));
  if (logged.empty()) {
    co_return {};
  }
  SELVEDGE_CO_TRY(const auto known,
                  co_await helpers.run(reactor_, [&store] { return store.apps(); }));
  for (const std::string& app : logged) {
    if (!std::ranges::binary_search(known, app)) {
      SELVEDGE_CO_TRY_VOID(co_await remove(app));
    }
  }
  co_return {};
}

void NodeLogs::tell_shards(const std::string& app, bool more) {
  for (std::size_t shard = 0; shard < shard_logs_.size(); ++shard) {
    (*shards_)[shard]->reactor().post([this, shard, app, more] {
      if (logs::ShardLog* const log = shard_logs_[shard]; log == nullptr) {
        return;
      } else if (more) {
        log->follow(app);
      } else {
        log->unfollow(app);
      }
    });
  }
}

void NodeLogs::set_shards(const Shards& shards) {
  shards_ = &shards;
  shard_logs_.resize(shards.size());
}

Result<std::unique_ptr<NodeLogs::Follower>> NodeLogs::Follower::create(NodeLogs& logs,
                                                                       std::string app) {
  if (logs.followers_.size() >= kFollowersMax) {
    return fail(ErrorKind::kOverloaded, "too many logs are being followed at once");
  }
  std::unique_ptr<Follower> made(new Follower(logs, std::move(app)));
  logs.followers_.insert(made.get());
  logs.tell_shards(made->app_, true);
  logs.follower_count_ = logs.followers_.size();
  return made;
}

NodeLogs::Follower::~Follower() {
  logs_.followers_.erase(this);
  logs_.tell_shards(app_, false);
  logs_.follower_count_ = logs_.followers_.size();
}

}  // namespace selvedge::node
