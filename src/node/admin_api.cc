#include "node/admin_api.h"

#include <optional>

#include "base/format.h"
#include "base/log.h"
#include "node/admin_exchange.h"
#include "node/metrics_endpoint.h"

namespace selvedge::node {
namespace {

using Kind = wire::Method::Kind;

constexpr std::uint16_t kHttpPort = 80;

std::unexpected<Error> no_such_path(const wire::RequestHead& request) {
  return fail_format(ErrorKind::kNotFound, "the admin API has no {} {}", request.method().text(),
                     request.target().path());
}

}  // namespace

io::Task<> AdminApi::handle(app::HttpExchange& exchange) {
  const AdminCaller everybody{.local = true};
  co_return co_await handle_for(exchange, everybody);
}

io::Task<> AdminApi::handle_for(app::HttpExchange& exchange, const AdminCaller& caller) {
  auto done = co_await dispatch(exchange, caller);
  if (done.has_value()) {
    co_return {};
  }
  log::info("request={} admin {} {}: {}", exchange.request_id(), exchange.request().method().text(),
            exchange.request().target().path(), done.error().message());
  if (exchange.head_sent()) {
    co_return done;
  }
  co_return co_await answer_error(exchange, done.error());
}

io::Task<> AdminApi::dispatch(app::HttpExchange& exchange, const AdminCaller& caller) {
  const wire::RequestHead& request = exchange.request();
  const Segments path = path_segments(request.target().path());
  const Kind method = request.method().kind();
  const auto is = [&path](std::string_view a, std::string_view b) {
    return path.size() == 3 && path[1] == a && (b.empty() || path[2] == b);
  };
  if (path.size() < 2 || path[0] != "v1" || path.back().empty()) {
    co_return no_such_path(request);
  }
  if (path.size() == 2 && path[1] == "node" && method == Kind::kGet) {
    co_return co_await describe_node(exchange);
  }
  if (path.size() == 2 && path[1] == "metrics" && method == Kind::kGet && options_.expose_metrics) {
    if (!caller.may_use_all()) {
      co_return fail(ErrorKind::kDenied, "metrics are of all apps, and the token is for some");
    }
    co_return co_await answer_metrics(exchange, options_.expose_metrics());
  }
  if (path.size() == 2 && path[1] == "apps" && method == Kind::kGet) {
    co_return co_await list_apps(exchange, caller);
  }
  if (is("store", "collect") && method == Kind::kPost) {
    co_return co_await collect_store(exchange);
  }
  if (is("blobs", "missing") && method == Kind::kPost) {
    co_return co_await missing_blobs(exchange);
  }
  if (is("blobs", "") && method == Kind::kPut) {
    co_return co_await put_blob(exchange, std::string(path[2]));
  }
  if (is("blobs", "") && method == Kind::kGet && path[2] != "missing") {
    co_return co_await get_blob(exchange, std::string(path[2]));
  }
  if (path[1] == "packages") {
    co_return co_await dispatch_packages(exchange, caller);
  }
  if (path[1] == "apps" && (path.size() == 4 || path.size() == 5) && path[3] == "secrets" &&
      app::is_app_name(path[2])) {
    co_return co_await dispatch_secrets(exchange, std::string(path[2]),
                                        std::string(path.size() == 5 ? path[4] : ""));
  }
  if (path[1] == "apps" && path.size() == 6 && path[3] == "jobs" && path[5] == "runs" &&
      app::is_app_name(path[2]) && method == Kind::kPost) {
    co_return co_await run_job(exchange, std::string(path[2]), std::string(path[4]));
  }
  if ((path[1] == "tokens" || path[1] == "audit") && path.size() <= 3) {
    co_return co_await dispatch_access(exchange, path[1],
                                       path.size() == 3 ? path[2] : std::string_view());
  }
  if (path[1] == "apps" && (path.size() == 3 || path.size() == 4)) {
    co_return co_await dispatch_app(exchange, caller, std::string(path[2]),
                                    path.size() == 4 ? path[3] : std::string_view());
  }
  co_return no_such_path(request);
}

io::Task<> AdminApi::dispatch_app(app::HttpExchange& exchange, const AdminCaller& caller,
                                  std::string app, std::string_view what) {
  if (!app::is_app_name(app)) {
    co_return fail_format(ErrorKind::kInvalid,
                          "\"{}\" is not the name of an app: small letters, digits and single "
                          "hyphens between them",
                          app);
  }
  const Kind method = exchange.request().method().kind();
  if (what.empty() && method == Kind::kGet) {
    co_return co_await describe_app(exchange, std::move(app));
  }
  if (what.empty() && method == Kind::kDelete) {
    co_return co_await remove_app(exchange, std::move(app));
  }
  if (what == "jobs" && method == Kind::kGet) {
    co_return co_await list_jobs(exchange, std::move(app));
  }
  if (what == "active" && method == Kind::kPut) {
    co_return co_await activate(exchange, std::move(app));
  }
  if (what == "logs" && method == Kind::kGet) {
    co_return co_await read_log(exchange, std::move(app));
  }
  if (what == "versions" && method == Kind::kPost) {
    auto claimant = caller.may_use(app) ? std::nullopt : std::optional(std::string(caller.owner()));
    co_return co_await deploy(exchange, std::move(app), std::move(claimant));
  }
  co_return no_such_path(exchange.request());
}

io::Task<> AdminApi::describe_node(app::HttpExchange& exchange) {
  return answer_json(exchange, wire::StatusCode(200),
                     {{"domain", options_.address.domain}, {"port", options_.address.port}});
}

std::string AdminApi::url_of(const std::string& app,
                             std::optional<app::VersionNumber> version) const {
  const std::string host = app::app_host(app, version, options_.address.domain);
  return options_.address.port == kHttpPort
             ? fmt::format("http://{}/", host)
             : fmt::format("http://{}:{}/", host, options_.address.port);
}

}  // namespace selvedge::node
