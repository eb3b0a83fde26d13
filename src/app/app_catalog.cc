#include "app/app_catalog.h"

#include <utility>

#include "base/log.h"

namespace selvedge::app {
namespace {

constexpr int kAttemptsMax = 4;

}  // namespace

AppCatalog::AppCatalog(io::Reactor& reactor, const AppCatalogOptions& options)
    : reactor_(reactor),
      options_(options),
      apps_(reactor, options.refresh_time, options.names_max),
      domains_(reactor, options.refresh_time, options.names_max),
      loads_(reactor) {}

io::Task<std::optional<ActiveRecord>> AppCatalog::find_app(const std::string& app) {
  return apps_.get(app, [this, app] {
    return options_.store_helpers.run(reactor_,
                                      [&store = options_.store, app] { return store.active(app); });
  });
}

io::Task<std::optional<std::string>> AppCatalog::find_domain(const std::string& domain) {
  return domains_.get(domain, [this, domain] {
    return options_.store_helpers.run(
        reactor_, [&store = options_.store, domain] { return store.app_of_domain(domain); });
  });
}

io::Task<AppCatalog::VersionPointer> AppCatalog::find_version(std::string app,
                                                              VersionNumber number) {
  const std::pair key(app, number);
  if (const auto known = versions_.find(key); known != versions_.end() && known->second.verified) {
    if (auto version = known->second.version.lock()) {
      co_return version;
    }
  }
  co_return co_await loads_.run(key, [this, app, number] { return load(app, number); });
}

io::Task<AppCatalog::VersionPointer> AppCatalog::load(std::string app, VersionNumber number) {
  // Loads again when something changed meanwhile: it may be another version of the same name.
  VersionPointer version;
  std::uint64_t generation = 0;
  for (int attempt = 0; attempt < kAttemptsMax && (attempt == 0 || generation != generation_);
       ++attempt) {
    generation = generation_;
    SELVEDGE_CO_TRY(version, co_await options_.compile_helpers.run(
                                 reactor_, [&loader = options_.loader, app, number] {
                                   return loader.load(app, number);
                                 }));
  }
  std::erase_if(versions_, [](const auto& entry) { return entry.second.version.expired(); });
  Known& known = versions_[{std::move(app), number}];
  // The same version goes on, with what runs of it.
  if (auto before = known.version.lock(); before != nullptr && before->record == version->record &&
                                          before->secrets_revision == version->secrets_revision) {
    version = std::move(before);
  }
  known = {.version = version, .verified = generation == generation_};
  co_return version;
}

void AppCatalog::changed(const std::string& app) {
  ++generation_;
  apps_.forget(app);
  domains_.forget_everything();
  for (auto entry = versions_.lower_bound({app, 0});
       entry != versions_.end() && entry->first.first == app; ++entry) {
    entry->second.verified = false;
  }
  if (listener_) {
    listener_(app);
  }
}

void AppCatalog::everything_changed() {
  ++generation_;
  apps_.forget_everything();
  domains_.forget_everything();
  for (auto& [key, known] : versions_) {
    known.verified = false;
  }
  if (listener_) {
    listener_(std::nullopt);
  }
}

void AppCatalog::take(const AppStore::Changes& changes) {
  const auto apps = sequence_.has_value() ? changes.record.since(*sequence_) : std::nullopt;
  sequence_ = changes.record.sequence;
  revision_ = changes.revision;
  if (!apps.has_value()) {
    everything_changed();
    return;
  }
  for (const std::string& app : *apps) {
    changed(app);
  }
}

io::Task<> AppCatalog::follow() {
  for (;;) {
    const std::uint64_t stale_reads = options_.store.stale_reads();
    const auto changes = co_await options_.store_helpers.run(
        reactor_, [&store = options_.store, known = revision_] { return store.changes(known); });
    const bool answered = changes.has_value() && !(changes->has_value() && (**changes).stale);
    if (answered != std::exchange(store_answers_, answered)) {
      if (answered) {
        log::info("the store answers again");
      } else if (changes.has_value()) {
        log::warning("the store does not answer, apps are served as they were");
      } else {
        log::warning("the store does not answer, apps are served as they were: {}",
                     changes.error().message());
      }
    }
    if (answered && changes->has_value()) {
      take(**changes);
    }
    // What was read while it did not answer may have been out of date even then.
    if (answered && stale_reads != std::exchange(stale_reads_, stale_reads)) {
      everything_changed();
    }
    co_await reactor_.sleep(options_.poll_interval);
  }
}

void AppCatalog::cancel() noexcept {
  apps_.cancel();
  domains_.cancel();
  loads_.cancel();
  versions_.clear();
}

}  // namespace selvedge::app
