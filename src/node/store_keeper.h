#pragma once

// What a node does for its store besides using it: finds out whether the store's server will do,
// and collects garbage, once in a while and when somebody asks for it.

#include <filesystem>
#include <string>

#include "app/store_collector.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "node/node_store.h"

namespace selvedge::node {

// The name of this data folder among all nodes of a store; made at the first call. A folder that is
// copied must lose it (the file `node-id`).
Result<std::string> node_id(const std::filesystem::path& data_folder, base::Random& random);

// One reactor's thread.
class StoreKeeper {
 public:
  struct Options {
    io::Reactor& reactor;
    const base::Clock& clock;
    base::Random& random;
    const NodeStore& store;
    std::string node;  // node_id()
    // An earlier process of this node may live on, and collect.
    bool beside_another = false;
    base::Duration interval = std::chrono::hours(24);
    base::Duration grace = std::chrono::hours(24);
    std::uint64_t versions_kept = 50;
  };
  // Everything outlives this.
  explicit StoreKeeper(const Options& options);

  // app::StoreCollector::collect, on a thread of its own.
  io::Task<app::CollectionReport> collect(bool dry_run);
  // Collects at random times, on average once in the interval, until it is cancelled.
  io::Task<> run();
  // Ends what is under way.
  void stop() noexcept { collector_.stop(); }

 private:
  Options options_;
  app::StoreCollector collector_;
  // Ends before what it uses.
  io::ThreadHelperPool helpers_;
};

}  // namespace selvedge::node
