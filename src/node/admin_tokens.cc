// The admin API's tokens and its audit log. A token is told once, in the answer that makes it.

#include <algorithm>
#include <charconv>

#include "app/json_reader.h"
#include "base/format.h"
#include "base/log.h"
#include "node/admin_access.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kContentBytesMax = std::size_t{64} << 10;
constexpr std::size_t kAuditEntriesDefault = 100;
constexpr std::uint64_t kLifetimeSecondsMax = std::uint64_t{100} * 365 * 24 * 3600;

Result<TokenStore::Wanted> parse_request(std::string_view content) {
  SELVEDGE_TRY(const auto document, app::parse_json(content, "the request"));
  SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "request"));
  TokenStore::Wanted wanted;
  SELVEDGE_TRY(const std::string scope, root.text("scope"));
  SELVEDGE_TRY(wanted.scope, parse_token_scope(scope));
  SELVEDGE_TRY(auto name, root.optional_text("name"));
  SELVEDGE_TRY(auto owner, root.optional_text("owner"));
  SELVEDGE_TRY(wanted.apps, root.texts("apps"));
  SELVEDGE_TRY(const auto seconds, root.optional_integer("expires_in", kLifetimeSecondsMax));
  wanted.name = std::move(name).value_or("");
  wanted.owner = std::move(owner).value_or("");
  if (seconds == std::uint64_t{0}) {
    return fail(ErrorKind::kInvalid, "request.expires_in must be at least 1 second");
  }
  if (seconds.has_value()) {
    wanted.lifetime = std::chrono::seconds(*seconds);
  }
  return wanted;
}

// What may be told of a token.
nlohmann::json describe(const TokenRecord& record) {
  nlohmann::json made = {
      {"id", record.id},     {"name", record.name},   {"scope", to_string(record.scope)},
      {"apps", record.apps}, {"owner", record.owner}, {"created", record.created}};
  if (record.expires.has_value()) {
    made["expires"] = *record.expires;
  }
  if (record.revoked.has_value()) {
    made["revoked"] = *record.revoked;
  }
  return made;
}

// "limit=20"
Result<std::size_t> parse_limit(std::string_view query) {
  constexpr std::string_view kName = "limit=";
  if (query.empty()) {
    return kAuditEntriesDefault;
  }
  std::size_t count = 0;
  const std::string_view digits = query.substr(std::min(kName.size(), query.size()));
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (!query.starts_with(kName) || error != std::errc() || end != digits.data() + digits.size() ||
      count == 0 || count > AuditLog::kLinesMax) {
    return fail_format(ErrorKind::kInvalid, "the query must be limit=N, with N from 1 to {}",
                       AuditLog::kLinesMax);
  }
  return count;
}

}  // namespace

io::Task<> AdminApi::dispatch_access(app::HttpExchange& exchange, std::string_view what,
                                     std::string_view name) {
  using Kind = wire::Method::Kind;
  const Kind method = exchange.request().method().kind();
  if (options_.access == nullptr) {
    co_return fail(ErrorKind::kUnsupported, "this node keeps no tokens and no audit log");
  }
  if (what == "audit" && name.empty() && method == Kind::kGet) {
    co_return co_await show_audit(exchange);
  }
  if (what == "tokens" && name.empty() && method == Kind::kGet) {
    co_return co_await list_tokens(exchange);
  }
  if (what == "tokens" && name.empty() && method == Kind::kPost) {
    co_return co_await create_token(exchange);
  }
  if (what == "tokens" && !name.empty() && method == Kind::kDelete) {
    co_return co_await revoke_token(exchange, std::string(name));
  }
  co_return fail(ErrorKind::kNotFound,
                 "tokens are listed with GET, made with POST, and one is revoked with DELETE of "
                 "its id; the audit log is read with GET");
}

io::Task<> AdminApi::list_tokens(app::HttpExchange& exchange) {
  SELVEDGE_CO_TRY(
      const auto records,
      co_await in_store([tokens = options_.access->tokens()]() mutable { return tokens.list(); }));
  nlohmann::json list = nlohmann::json::array();
  for (const TokenRecord& record : records) {
    list.push_back(describe(record));
  }
  co_return co_await answer_json(exchange, wire::StatusCode(200), {{"tokens", std::move(list)}});
}

io::Task<> AdminApi::create_token(app::HttpExchange& exchange) {
  SELVEDGE_CO_TRY(const std::string content, co_await read_content(exchange, kContentBytesMax));
  SELVEDGE_CO_TRY(auto wanted, parse_request(content));
  SELVEDGE_CO_TRY(const auto made, co_await in_store([tokens = options_.access->tokens(),
                                                      wanted = std::move(wanted)]() mutable {
                    return tokens.create(std::move(wanted));
                  }));
  log::info("token={} scope={} created", made.record.id, to_string(made.record.scope));
  nlohmann::json answer = describe(made.record);
  answer["token"] = made.token;
  co_return co_await answer_json(exchange, wire::StatusCode(201), std::move(answer));
}

io::Task<> AdminApi::revoke_token(app::HttpExchange& exchange, std::string id) {
  SELVEDGE_CO_TRY_VOID(co_await in_store(
      [tokens = options_.access->tokens(), id]() mutable { return tokens.revoke(id); }));
  options_.access->verifier().forget();
  log::info("token={} revoked", id);
  co_return co_await answer_empty(exchange);
}

io::Task<> AdminApi::show_audit(app::HttpExchange& exchange) {
  SELVEDGE_CO_TRY(const std::size_t count, parse_limit(exchange.request().target().query()));
  SELVEDGE_CO_TRY(const auto lines, co_await options_.access->recorded(count));
  nlohmann::json entries = nlohmann::json::array();
  for (const std::string& line : lines) {
    // One that a crash cut off is none.
    if (auto entry = nlohmann::json::parse(line, nullptr, false); entry.is_object()) {
      entries.push_back(std::move(entry));
    }
  }
  co_return co_await answer_json(exchange, wire::StatusCode(200),
                                 {{"entries", std::move(entries)}});
}

}  // namespace selvedge::node
