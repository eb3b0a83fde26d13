#pragma once

// What a node knows of the apps in the store: read when asked for, kept until the store says that
// it changed. Versions are compiled once for the node, whoever asks first, and live as long as a
// shard uses them.

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "app/app_records.h"
#include "app/app_store.h"
#include "app/app_version.h"
#include "app/internal/record_cache.h"
#include "base/clock.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/single_flight.h"
#include "io/task.h"

namespace selvedge::app {

struct AppCatalogOptions {
  AppStore& store;
  const VersionLoader& loader;
  // For the store's waits, and for compiling: the one must not hold up the other.
  io::HelperPool& store_helpers;
  io::HelperPool& compile_helpers;
  // How often the store is asked what changed.
  base::Duration poll_interval = std::chrono::milliseconds(500);
  // What is known is read anew after so long, should a change have gone unnoticed.
  base::Duration refresh_time = std::chrono::minutes(5);
  std::size_t names_max = 65'536;
};

// One reactor's thread: the node's main one. Errors are those of AppDirectory.
class AppCatalog {
 public:
  // The name of an app that changed; nullopt: anything may have.
  using Listener = std::function<void(const std::optional<std::string>& app)>;

  // Everything outlives this.
  AppCatalog(io::Reactor& reactor [[clang::lifetimebound]], const AppCatalogOptions& options);

  io::Task<std::optional<ActiveRecord>> find_app(const std::string& app);
  io::Task<std::optional<std::string>> find_domain(const std::string& domain);
  io::Task<std::shared_ptr<const AppVersion>> find_version(std::string app, VersionNumber number);

  // Called for each change, after it was forgotten here. Set before follow().
  void set_listener(Listener listener) { listener_ = std::move(listener); }
  // This node itself changed the app.
  void changed(const std::string& app);
  // Learns of what other nodes change, until it is cancelled.
  io::Task<> follow();
  // Ends what is under way; everything asked for is kDisconnected from now on.
  void cancel() noexcept;

 private:
  using VersionPointer = std::shared_ptr<const AppVersion>;
  struct Known {
    std::weak_ptr<const AppVersion> version;
    bool verified = true;  // false: the app has changed since it was read
  };

  io::Task<VersionPointer> load(std::string app, VersionNumber number);
  void everything_changed();
  void take(const AppStore::Changes& changes);

  io::Reactor& reactor_;
  AppCatalogOptions options_;
  Listener listener_;
  // Of the change that was seen last.
  std::optional<store::Revision> revision_;
  std::optional<std::uint64_t> sequence_;
  bool store_answers_ = true;
  // Those after which everything was read anew.
  std::uint64_t stale_reads_ = 0;
  std::uint64_t generation_ = 0;
  std::map<std::pair<std::string, VersionNumber>, Known> versions_;
  internal::RecordCache<std::optional<ActiveRecord>> apps_;
  internal::RecordCache<std::optional<std::string>> domains_;
  io::SingleFlight<std::pair<std::string, VersionNumber>, VersionPointer> loads_;
};

}  // namespace selvedge::app
