#pragma once

// The admin API of a node, version 1: JSON over HTTP. Documented for clients in docs/admin-api.md.
//
//   GET    /v1/node                          what runs here
//   GET    /v1/metrics                       counters of the node and its apps (Prometheus text)
//   POST   /v1/blobs/missing                 which of these blobs have to be sent
//   PUT    /v1/blobs/HASH                    a blob
//   POST   /v1/store/collect                 removes what nothing needs
//   GET    /v1/blobs/HASH                    its bytes
//   GET    /v1/packages                      published packages
//   POST   /v1/packages                      publishes one: answers as a deploy does
//   POST   /v1/packages/find                 the one that "owner/name@range" means
//   POST   /v1/packages/link                 a package with what it depends on
//   GET    /v1/packages/OWNER/NAME           one, with its versions
//   GET    /v1/apps                          all apps
//   GET    /v1/apps/APP                      one, with its versions
//   POST   /v1/apps/APP/versions             deploys: answers one JSON value a line, as it goes on
//   PUT    /v1/apps/APP/active               which versions requests go to
//   GET    /v1/apps/APP/secrets              names of its secrets
//   PUT    /v1/apps/APP/secrets              sets some
//   DELETE /v1/apps/APP/secrets/NAME         removes one
//   GET    /v1/apps/APP/jobs                 its jobs, with their last runs
//   POST   /v1/apps/APP/jobs/JOB/runs        runs one now
//   GET    /v1/apps/APP/logs                 what it said here, one JSON value a line
//   DELETE /v1/apps/APP                      takes the app offline and removes it
//   GET    /v1/tokens                        tokens for the API on a network
//   POST   /v1/tokens                        makes one
//   DELETE /v1/tokens/ID                     revokes one
//   GET    /v1/audit                         who did what
//
// Who may do what is decided before (admin_gate.h, admin_scope.h): a new operation needs a line in
// the table there.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "app/app_catalog.h"
#include "app/app_secrets.h"
#include "app/app_store.h"
#include "app/app_version.h"
#include "app/http_exchange.h"
#include "app/job_scheduler.h"
#include "app/package_image.h"
#include "app/package_registry.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "node/admin_scope.h"
#include "store/store.h"

namespace selvedge::node {

class AdminAccess;
class StoreKeeper;

// How apps of this node are reached from outside.
struct PublicAddress {
  std::string domain;  // apps are at <name>.<domain>
  std::uint16_t port = 80;
  // Where the admin API is on a network, and what clients know it by; empty when it is on none.
  std::string admin_url = {};
  std::string admin_fingerprint = {};
};

class NodeLogs;

class AdminApi final : public app::HttpHandler {
 public:
  struct Options {
    io::Reactor& reactor;
    app::AppStore& store;
    app::AppSecrets& secrets;
    app::PackageRegistry& packages;
    store::BlobFiles& blobs;
    const app::VersionLoader& loader;
    app::AppCatalog& catalog;
    io::HelperPool& store_helpers;
    io::HelperPool& compile_helpers;
    // Where uploads wait until they are whole.
    std::filesystem::path upload_folder;
    // Read at each use: the port is known once the node listens.
    const PublicAddress& address;
    // nullptr: jobs are not run here.
    app::JobScheduler* jobs = nullptr;
    // Starts a version, and says what of its health checks does not pass. Empty: nothing is
    // checked.
    std::function<io::Task<>(std::string app, app::VersionNumber version)> check_health = {};
    // Null: this node does not collect.
    StoreKeeper* keeper = nullptr;
    // For tokens and the audit log; null: there are none.
    AdminAccess* access = nullptr;
    NodeLogs* logs = nullptr;
    // All metrics in the Prometheus text format; empty: there are none.
    std::function<std::string()> expose_metrics = {};
  };
  // Everything that `options` refers to outlives this.
  explicit AdminApi(Options options) noexcept : options_(std::move(options)) {}

  // For whoever may do everything.
  io::Task<> handle(app::HttpExchange& exchange) override;
  // For a caller that is authorized. `caller` outlives the task.
  io::Task<> handle_for(app::HttpExchange& exchange, const AdminCaller& caller);
  // That the app belongs to this owner; with `may_claim` also that it does not exist, so that a
  // version makes it theirs. Denied; errors of the store.
  io::Task<> check_owner(std::string app, std::string owner, bool may_claim);

 private:
  using Segments = std::vector<std::string_view>;

  io::Task<> dispatch(app::HttpExchange& exchange, const AdminCaller& caller);
  io::Task<> dispatch_app(app::HttpExchange& exchange, const AdminCaller& caller, std::string app,
                          std::string_view what);

  io::Task<> describe_node(app::HttpExchange& exchange);
  io::Task<> missing_blobs(app::HttpExchange& exchange);
  io::Task<> put_blob(app::HttpExchange& exchange, std::string hash);
  io::Task<> collect_store(app::HttpExchange& exchange);
  io::Task<> list_apps(app::HttpExchange& exchange, const AdminCaller& caller);
  io::Task<> get_blob(app::HttpExchange& exchange, std::string hash);
  io::Task<> dispatch_packages(app::HttpExchange& exchange, const AdminCaller& caller);
  io::Task<> publish_package(app::HttpExchange& exchange, const AdminCaller& caller);
  io::Task<app::PublishedPackage> publish_checked(app::HttpExchange& exchange,
                                                  const AdminCaller& caller, std::string content);
  io::Task<> describe_app(app::HttpExchange& exchange, std::string app);
  io::Task<> remove_app(app::HttpExchange& exchange, std::string app);
  io::Task<> activate(app::HttpExchange& exchange, std::string app);
  io::Task<> dispatch_secrets(app::HttpExchange& exchange, std::string app, std::string name);
  io::Task<> list_secrets(app::HttpExchange& exchange, std::string app);
  io::Task<> set_secrets(app::HttpExchange& exchange, std::string app);
  io::Task<> remove_secret(app::HttpExchange& exchange, std::string app, std::string name);
  io::Task<> list_jobs(app::HttpExchange& exchange, std::string app);
  io::Task<> run_job(app::HttpExchange& exchange, std::string app, std::string job);
  io::Task<> dispatch_access(app::HttpExchange& exchange, std::string_view what,
                             std::string_view name);
  io::Task<> list_tokens(app::HttpExchange& exchange);
  io::Task<> create_token(app::HttpExchange& exchange);
  io::Task<> revoke_token(app::HttpExchange& exchange, std::string id);
  io::Task<> show_audit(app::HttpExchange& exchange);
  io::Task<> read_log(app::HttpExchange& exchange, std::string app);
  io::Task<> check_has_log(std::string app);
  // `claimant`: the owner whose the app is, or becomes with this version; nullopt: it is nobody's.
  io::Task<> deploy(app::HttpExchange& exchange, std::string app,
                    std::optional<std::string> claimant);
  io::Task<app::VersionRecord> publish(app::HttpExchange& exchange, std::string app,
                                       std::string content, std::optional<std::string> claimant);
  // Of a version that is not active yet.
  io::Task<> pass_health_checks(app::HttpExchange& exchange, std::string app,
                                app::VersionNumber version, const app::AppConfig& config);
  // Compiles, and tells the client how far it is.
  io::Task<> prepare(app::HttpExchange& exchange, app::PackageImage image,
                     app::PackageUse use = app::PackageUse::kServe);

  std::string url_of(const std::string& app, std::optional<app::VersionNumber> version) const;
  // Runs `function` on a helper thread for the store. A store that cannot be reached is an error
  // that says what this means.
  template <class Function>
  auto in_store(Function function)
      -> io::Task<typename std::invoke_result_t<Function&>::value_type> {
    auto done = co_await options_.store_helpers.run(options_.reactor, std::move(function));
    if (!done.has_value() && (done.error().kind() == ErrorKind::kDisconnected ||
                              done.error().kind() == ErrorKind::kTimeout)) {
      co_return fail(std::move(done).error().with_context(
          "apps are served on, but this has to wait until the store answers"));
    }
    co_return done;
  }

  Options options_;
  std::uint64_t uploads_ = 0;
};

}  // namespace selvedge::node
