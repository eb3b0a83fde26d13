// The admin API's view of apps and their versions.

#include "app/json_reader.h"
#include "base/format.h"
#include "base/log.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"
#include "node/app_owners.h"
#include "node/node_logs.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kActiveBytesMax = std::size_t{64} << 10;

nlohmann::json active_json(const std::optional<app::ActiveRecord>& active) {
  nlohmann::json versions = nlohmann::json::array();
  if (active.has_value()) {
    for (const app::VersionWeight& entry : active->versions) {
      versions.push_back({{"version", entry.version}, {"weight", entry.weight}});
    }
  }
  return versions;
}

struct AppSummary {
  std::string name;
  std::optional<app::ActiveRecord> active;
};

Result<std::vector<AppSummary>> summarise(app::AppStore& store, const AdminCaller& caller) {
  SELVEDGE_TRY(auto names, store.apps());
  std::vector<AppSummary> apps;
  AppOwners owners(store);
  for (std::string& name : names) {
    if (!caller.may_use(name)) {
      SELVEDGE_TRY(const auto owner, owners.owner_of(name));
      if (caller.owner().empty() || owner != caller.owner()) {
        continue;
      }
    }
    SELVEDGE_TRY(auto active, store.active(name));
    apps.push_back({.name = std::move(name), .active = std::move(active)});
  }
  return apps;
}

struct AppDetails {
  std::optional<app::ActiveRecord> active;
  std::vector<app::VersionRecord> versions;
};

Result<AppDetails> details_of(app::AppStore& store, const std::string& app) {
  AppDetails details;
  SELVEDGE_TRY(details.active, store.active(app));
  SELVEDGE_TRY(const auto numbers, store.versions(app));
  if (numbers.empty()) {
    return fail_format(ErrorKind::kNotFound, "there is no app {}", app);
  }
  for (const app::VersionNumber number : numbers) {
    SELVEDGE_TRY(auto record, store.version(app, number));
    details.versions.push_back(std::move(record));
  }
  return details;
}

}  // namespace

io::Task<> AdminApi::list_apps(app::HttpExchange& exchange, const AdminCaller& caller) {
  SELVEDGE_CO_TRY(const auto apps, co_await in_store([&store = options_.store, caller] {
                    return summarise(store, caller);
                  }));
  nlohmann::json list = nlohmann::json::array();
  for (const AppSummary& app : apps) {
    list.push_back({{"name", app.name},
                    {"url", url_of(app.name, std::nullopt)},
                    {"active", active_json(app.active)}});
  }
  co_return co_await answer_json(exchange, wire::StatusCode(200), {{"apps", std::move(list)}});
}

io::Task<> AdminApi::describe_app(app::HttpExchange& exchange, std::string app) {
  SELVEDGE_CO_TRY(const auto details, co_await in_store([&store = options_.store, app] {
                    return details_of(store, app);
                  }));
  nlohmann::json versions = nlohmann::json::array();
  for (const app::VersionRecord& record : details.versions) {
    versions.push_back({{"version", record.number},
                        {"package", record.package.hex()},
                        {"created", record.created},
                        {"url", url_of(app, record.number)}});
  }
  co_return co_await answer_json(exchange, wire::StatusCode(200),
                                 {{"name", app},
                                  {"url", url_of(app, std::nullopt)},
                                  {"active", active_json(details.active)},
                                  {"versions", std::move(versions)}});
}

io::Task<> AdminApi::check_owner(std::string app, std::string owner, bool may_claim) {
  if (!app::is_app_name(app)) {
    co_return fail_format(ErrorKind::kDenied, "the token is for apps of {} only", owner);
  }
  co_return co_await in_store([&store = options_.store, app, owner, may_claim]() -> Result<> {
    AppOwners owners(store);
    return may_claim ? owners.check_deploy(app, owner) : owners.check(app, owner);
  });
}

io::Task<> AdminApi::remove_app(app::HttpExchange& exchange, std::string app) {
  SELVEDGE_CO_TRY_VOID(co_await in_store([&options = options_, app]() -> Result<> {
    // First: who takes the name next must not find them.
    SELVEDGE_TRY_VOID(options.secrets.remove_all(app));
    auto removed = options.store.remove_app(app);
    if (removed.has_value() || removed.error().kind() == ErrorKind::kNotFound) {
      SELVEDGE_TRY_VOID(AppOwners(options.store).forget(app));
    }
    return removed;
  }));
  options_.catalog.changed(app);
  if (options_.logs != nullptr) {
    SELVEDGE_CO_TRY_VOID(co_await options_.logs->remove(app));
  }
  log::info("app={} removed", app);
  co_return co_await answer_empty(exchange);
}

io::Task<> AdminApi::activate(app::HttpExchange& exchange, std::string app) {
  SELVEDGE_CO_TRY(const std::string content, co_await read_content(exchange, kActiveBytesMax));
  SELVEDGE_CO_TRY(const auto wanted, app::parse_active_record(content));
  // Optional: the choice that the client has seen, so that it replaces no other.
  SELVEDGE_CO_TRY(const auto document, app::parse_json(content, "the request"));
  std::optional<app::ActiveRecord> seen;
  if (const auto entry = document.find("seen"); entry != document.end() && !entry->is_null()) {
    if (entry->is_array() && entry->empty()) {
      seen.emplace();  // that none was active
    } else {
      SELVEDGE_CO_TRY(seen, app::parse_active_record(app::json_text({{"versions", *entry}})));
    }
  }
  SELVEDGE_CO_TRY_VOID(co_await in_store(
      [&store = options_.store, app, wanted, seen] { return store.activate(app, wanted, seen); }));
  options_.catalog.changed(app);
  log::info("app={} active={}", app, app::json_text(active_json(wanted)));
  co_return co_await answer_json(
      exchange, wire::StatusCode(200),
      {{"name", app}, {"url", url_of(app, std::nullopt)}, {"active", active_json(wanted)}});
}

}  // namespace selvedge::node
