// The admin API's secrets of apps: they are set and removed, and their names are told. No answer,
// error or log line has a value.

#include <algorithm>

#include "app/json_reader.h"
#include "base/log.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"

namespace selvedge::node {
namespace {

// Of all secrets of an app, escaped as JSON does at worst.
constexpr std::size_t kContentBytesMax = 6 * app::kSecretsBytesMax;

Result<app::Environment> parse_request(std::string_view content) {
  SELVEDGE_TRY(const auto document, app::parse_json(content, "the request"));
  SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "request"));
  SELVEDGE_TRY(auto secrets, root.environment("set"));
  if (secrets.empty()) {
    return fail(ErrorKind::kInvalid, "request.set must have at least one name and value");
  }
  return secrets;
}

}  // namespace

io::Task<> AdminApi::dispatch_secrets(app::HttpExchange& exchange, std::string app,
                                      std::string name) {
  const auto method = exchange.request().method().kind();
  if (name.empty() && method == wire::Method::Kind::kGet) {
    co_return co_await list_secrets(exchange, std::move(app));
  }
  if (name.empty() && method == wire::Method::Kind::kPut) {
    co_return co_await set_secrets(exchange, std::move(app));
  }
  if (!name.empty() && method == wire::Method::Kind::kDelete) {
    co_return co_await remove_secret(exchange, std::move(app), std::move(name));
  }
  co_return fail(ErrorKind::kNotFound,
                 "secrets are listed with GET, set with PUT, and one is removed with DELETE of "
                 "its name");
}

io::Task<> AdminApi::list_secrets(app::HttpExchange& exchange, std::string app) {
  SELVEDGE_CO_TRY(const auto found, co_await in_store([&secrets = options_.secrets, app] {
                    return secrets.get(app);
                  }));
  nlohmann::json names = nlohmann::json::array();
  for (const auto& [name, value] : found.environment) {
    names.push_back(name);
  }
  co_return co_await answer_json(exchange, wire::StatusCode(200),
                                 {{"name", app}, {"secrets", std::move(names)}});
}

io::Task<> AdminApi::set_secrets(app::HttpExchange& exchange, std::string app) {
  SELVEDGE_CO_TRY(const std::string content, co_await read_content(exchange, kContentBytesMax));
  SELVEDGE_CO_TRY(auto secrets, parse_request(content));
  const std::size_t count = secrets.size();
  SELVEDGE_CO_TRY_VOID(
      co_await in_store([&options = options_, app, secrets = std::move(secrets)]() -> Result<> {
        SELVEDGE_TRY_VOID(options.secrets.set(app, secrets));
        return options.store.announce(app);
      }));
  options_.catalog.changed(app);
  log::info("app={} secrets set count={}", app, count);
  co_return co_await list_secrets(exchange, std::move(app));
}

io::Task<> AdminApi::remove_secret(app::HttpExchange& exchange, std::string app, std::string name) {
  SELVEDGE_CO_TRY_VOID(co_await in_store([&options = options_, app, name]() -> Result<> {
    SELVEDGE_TRY_VOID(options.secrets.remove(app, name));
    return options.store.announce(app);
  }));
  options_.catalog.changed(app);
  log::info("app={} secret removed", app);
  co_return co_await answer_empty(exchange);
}

}  // namespace selvedge::node
