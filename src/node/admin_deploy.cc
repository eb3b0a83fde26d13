// The admin API's deploy: from a package whose blobs are there to a version that is served. The
// answer is a stream of JSON values, one a line: {"step": …} while it goes on, at the end
// {"version": …, "url": …} or {"error": …}.

#include <atomic>

#include "app/app_config.h"
#include "app/json_reader.h"
#include "app/package_image.h"
#include "base/format.h"
#include "base/log.h"
#include "engine/engine.h"
#include "io/event.h"
#include "io/task_scope.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"
#include "node/app_owners.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kDeployBytesMax = std::size_t{4} << 20;
constexpr base::Duration kProgressInterval = std::chrono::milliseconds(200);

struct DeployRequest {
  app::PackageImage image;  // without `reference`
  std::optional<app::PackageReference> reference;
  std::string config_text;
  app::AppConfig config;
  bool activate = true;
};

Result<DeployRequest> parse_request(std::string_view content) {
  SELVEDGE_TRY(const auto document, app::parse_json(content, "the request"));
  SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "request"));
  const nlohmann::json* const package = root.find("package");
  if (package == nullptr) {
    return fail(ErrorKind::kInvalid, "request.package is missing");
  }
  DeployRequest request;
  if (package->is_string()) {
    SELVEDGE_TRY(const std::string name, root.text("package"));
    SELVEDGE_TRY(request.reference, app::parse_package_reference(name));
  } else {
    SELVEDGE_TRY(request.image, app::parse_package_image(app::json_text(*package)));
    if (!request.image.origins.empty()) {
      return fail(ErrorKind::kInvalid, "request.package is linked already");
    }
  }
  SELVEDGE_TRY(request.config_text, root.text("config"));
  SELVEDGE_TRY(request.config, app::parse_app_config(request.config_text, "app.yaml"));
  SELVEDGE_TRY(const auto activate, root.optional_boolean("activate"));
  request.activate = activate.value_or(true);
  return request;
}

// What a version is made from, fixed by its hash.
struct FixedPackage {
  crypto::Blake3Hash identity;
  app::PackageImage image;  // linked
  app::PackageImage own;    // before it was
};

Result<FixedPackage> fix_package(app::AppStore& store, app::PackageRegistry& packages,
                                 const DeployRequest& request) {
  FixedPackage made;
  if (request.reference.has_value()) {
    SELVEDGE_TRY(const auto published, packages.resolve(*request.reference));
    SELVEDGE_TRY(made.image, store.image(published.linked));
    SELVEDGE_TRY(made.own, store.image(published.image));
  } else {
    SELVEDGE_TRY(made.image, packages.link(request.image));
    made.own = request.image;
  }
  // What it was linked from can be looked at as long as the version is there.
  SELVEDGE_TRY_VOID(store.put_image(made.own));
  SELVEDGE_TRY(made.identity, store.put_image(made.image));
  SELVEDGE_TRY_VOID(packages.verify(made.image));
  return made;
}

Result<app::VersionRecord> make_version(app::AppStore& store, const std::string& app,
                                        const FixedPackage& package, std::string config,
                                        const std::vector<std::string>& domains,
                                        const std::optional<std::string>& claimant) {
  AppOwners owners(store);
  if (claimant.has_value()) {
    SELVEDGE_TRY_VOID(owners.claim(app, *claimant));
  }
  SELVEDGE_TRY_VOID(store.claim_domains(app, domains));
  // Once more: compiling may have taken long, and what is used is kept for a while only.
  SELVEDGE_TRY_VOID(store.put_image(package.own));
  SELVEDGE_TRY_VOID(store.put_image(package.image));
  SELVEDGE_TRY(auto record, store.create_version(app, package.identity, std::move(config)));
  if (!claimant.has_value()) {
    return record;
  }
  if (auto confirmed = owners.confirm(app, *claimant); !confirmed.has_value()) {
    if (confirmed.error().kind() == ErrorKind::kDenied) {
      SELVEDGE_TRY_VOID(store.withdraw_version(app, record.number));
    }
    return fail(std::move(confirmed).error());
  }
  return record;
}

// What the compiling thread is at. Shared with it.
struct Progress {
  static constexpr int kNothing = -1;
  std::atomic<int> stage{kNothing};
  std::atomic<std::size_t> module_bytes{0};
};

std::string_view name_of(int stage) {
  switch (static_cast<engine::CompileProgress::Stage>(stage)) {
    case engine::CompileProgress::Stage::kChecking:
      return "checking";
    case engine::CompileProgress::Stage::kRewriting:
      return "rewriting";
    case engine::CompileProgress::Stage::kCompiling:
      return "compiling";
    default:
      return "storing";
  }
}

// One line for each new stage until `done` is set. Never leaves half a line.
io::Task<> report(io::Event& done, app::HttpExchange& exchange,
                  std::shared_ptr<const Progress> progress) {
  int told = Progress::kNothing;
  while (!(co_await done.wait(done.reactor().deadline_after(kProgressInterval))).has_value()) {
    const int stage = progress->stage.load();
    if (stage != told) {
      told = stage;
      SELVEDGE_CO_TRY_VOID(co_await write_line(
          exchange, {{"step", name_of(stage)}, {"module_bytes", progress->module_bytes.load()}}));
    }
  }
  co_return {};
}

}  // namespace

io::Task<> AdminApi::prepare(app::HttpExchange& exchange, app::PackageImage image,
                             app::PackageUse use) {
  const auto progress = std::make_shared<Progress>();
  io::Event done(options_.reactor);
  io::TaskScope beside(options_.reactor);
  beside.spawn(report(done, exchange, progress));
  auto prepared = co_await options_.compile_helpers.run(
      options_.reactor,
      [&loader = options_.loader, image = std::move(image), progress, use]() -> Result<> {
        return loader.prepare(image,
                              {.progress =
                                   [progress](const engine::CompileProgress& step) {
                                     progress->module_bytes = step.module_bytes;
                                     progress->stage = static_cast<int>(step.stage);
                                   }},
                              use);
      });
  done.set();
  SELVEDGE_CO_TRY_VOID(co_await beside.close());
  co_return prepared;
}

io::Task<> AdminApi::pass_health_checks(app::HttpExchange& exchange, std::string app,
                                        app::VersionNumber version, const app::AppConfig& config) {
  if (config.health_checks.empty() || !options_.check_health) {
    co_return {};
  }
  options_.catalog.changed(app);
  SELVEDGE_CO_TRY(const auto made, co_await options_.catalog.find_version(app, version));
  SELVEDGE_CO_TRY_VOID(co_await write_line(
      exchange, made->program->listens()
                    ? nlohmann::json{{"step", "health"}}
                    : nlohmann::json{{"warning",
                                      "health_checks are asked now and not again: the program is "
                                      "started for each request, so there is nothing to watch"}}));
  auto passed = co_await options_.check_health(app, version);
  if (passed.has_value()) {
    co_return {};
  }
  co_return fail_format(ErrorKind::kInvalid,
                        "version {} is not active, because a health check did not pass: {}; it can "
                        "be looked at under {}",
                        version, passed.error().message(), url_of(app, version));
}

io::Task<app::VersionRecord> AdminApi::publish(app::HttpExchange& exchange, std::string app,
                                               std::string content,
                                               std::optional<std::string> claimant) {
  SELVEDGE_CO_TRY(DeployRequest request, parse_request(content));
  SELVEDGE_CO_TRY(const auto package,
                  co_await in_store([&store = options_.store, &packages = options_.packages,
                                     request] { return fix_package(store, packages, request); }));
  for (const std::string& warning : request.config.warnings) {
    SELVEDGE_CO_TRY_VOID(co_await write_line(exchange, {{"warning", warning}}));
  }
  SELVEDGE_CO_TRY_VOID(co_await prepare(exchange, package.image));
  SELVEDGE_CO_TRY(auto record,
                  co_await in_store([&store = options_.store, app, package,
                                     config = std::move(request.config_text),
                                     domains = request.config.domains, claimant]() mutable {
                    return make_version(store, app, package, std::move(config), domains, claimant);
                  }));
  if (request.activate) {
    SELVEDGE_CO_TRY_VOID(co_await pass_health_checks(exchange, app, record.number, request.config));
    SELVEDGE_CO_TRY_VOID(co_await in_store([&store = options_.store, app, number = record.number] {
      return store.activate(app, {.versions = {{.version = number, .weight = 1}}});
    }));
  }
  options_.catalog.changed(app);
  log::info("app={} version={} package={} deployed activate={}", app, record.number,
            package.identity.hex(), request.activate);
  co_return record;
}

io::Task<> AdminApi::deploy(app::HttpExchange& exchange, std::string app,
                            std::optional<std::string> claimant) {
  SELVEDGE_CO_TRY(std::string content, co_await read_content(exchange, kDeployBytesMax));
  wire::ResponseHead head;
  head.headers.add("content-type", "application/x-ndjson");
  SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
  const auto record = co_await publish(exchange, app, std::move(content), std::move(claimant));
  if (record.has_value()) {
    SELVEDGE_CO_TRY_VOID(
        co_await write_line(exchange, {{"app", app},
                                       {"version", record->number},
                                       {"package", record->package.hex()},
                                       {"url", url_of(app, std::nullopt)},
                                       {"version_url", url_of(app, record->number)}}));
  } else {
    log::info("request={} app={} deploy failed: {}", exchange.request_id(), app,
              record.error().message());
    SELVEDGE_CO_TRY_VOID(co_await write_line(exchange, error_json(record.error())));
  }
  co_return co_await exchange.finish();
}

}  // namespace selvedge::node
