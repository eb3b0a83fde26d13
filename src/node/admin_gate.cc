#include "node/admin_gate.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "app/json_reader.h"
#include "base/format.h"
#include "io/socket_address.h"
#include "logs/log_time.h"
#include "node/admin_exchange.h"

namespace selvedge::node {
namespace {

constexpr std::string_view kDeployPath = "/v1/apps/{app}/versions";
constexpr base::Duration kDeployRetry = std::chrono::seconds(2);

io::Task<> answer_refusal(app::HttpExchange& exchange, wire::StatusCode status, Error error,
                          std::optional<base::Duration> retry) {
  const std::string text = app::json_text(error_json(error)) + "\n";
  wire::ResponseHead head{.status = status, .headers = {}};
  head.headers.add("content-type", "application/json");
  head.headers.add_number("content-length", text.size());
  if (status.value() == 401) {
    head.headers.add("www-authenticate", "Bearer realm=\"selvedge\"");
  }
  if (retry.has_value()) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*retry);
    head.headers.add_number("retry-after", static_cast<std::uint64_t>(seconds.count()));
  }
  SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
  SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(text)));
  co_return co_await exchange.finish();
}

io::Task<> answer_later(app::HttpExchange& exchange, std::string sentence, base::Duration retry) {
  return answer_refusal(exchange, wire::StatusCode(429),
                        Error(ErrorKind::kOverloaded, std::move(sentence)), retry);
}

// The token that a request shows. Invalid: none, or not as it must be.
Result<std::string> shown_token(const wire::HeaderList& headers) {
  constexpr std::string_view kScheme = "bearer ";
  const auto value = headers.find("authorization");
  if (!value.has_value()) {
    return fail(ErrorKind::kInvalid,
                "this needs a token: have one made on the node with `selvedge cluster token "
                "create`, and set SELVEDGE_TOKEN");
  }
  std::string scheme(value->substr(0, kScheme.size()));
  std::ranges::transform(scheme, scheme.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (scheme != kScheme || headers.count("authorization") != 1) {
    return fail(ErrorKind::kInvalid, "the token must come as Authorization: Bearer TOKEN");
  }
  return std::string(value->substr(kScheme.size()));
}

// Counts a deploy for as long as it is at work.
class DeployTurn {
 public:
  explicit DeployTurn(std::size_t& count) noexcept : count_(count) { ++count_; }
  ~DeployTurn() { --count_; }
  DeployTurn(const DeployTurn&) = delete;
  DeployTurn& operator=(const DeployTurn&) = delete;

 private:
  std::size_t& count_;
};

}  // namespace

std::string peer_name(std::string_view address) {
  constexpr std::size_t kPrefixBytes = 8;
  const auto parsed = io::IpAddress::parse(address);
  if (!parsed.has_value() || parsed->is_v4()) {
    return std::string(address);
  }
  const std::span<const std::uint8_t> bytes = parsed->bytes();
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::ranges::equal(bytes.first<12>(), kMapped)) {
    return io::IpAddress::v4({bytes[12], bytes[13], bytes[14], bytes[15]}).to_string();
  }
  io::IpAddress::V6Bytes prefix{};
  std::ranges::copy(bytes.first<kPrefixBytes>(), prefix.begin());
  return io::IpAddress::v6(prefix).to_string() + "/64";
}

// The exchange, with an eye on how it ends. Records that when it is destroyed: also of a request
// whose task was cancelled.
class AdminGate::Recorder final : public app::HttpExchange {
 public:
  // Of an answer, its end: where a deploy says how it went.
  static constexpr std::size_t kTailBytesMax = 4096;

  Recorder(app::HttpExchange& exchange, AdminAccess& access, const base::Clock& clock)
      : exchange_(exchange), access_(access), clock_(clock) {}
  ~Recorder() override {
    const bool refused = status_ == 401 || status_ == 403;
    if (refused || audited) {
      access_.record(line());
    }
  }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  const wire::RequestHead& request() const noexcept override { return exchange_.request(); }
  const app::HttpPeer& peer() const noexcept override { return exchange_.peer(); }
  std::string_view request_id() const noexcept override { return exchange_.request_id(); }
  io::Task<std::size_t> read_body(base::MutableByteSpan buffer) override {
    return exchange_.read_body(buffer);
  }
  io::Task<> send_head(wire::ResponseHead head) override {
    const int status = head.status.value();
    SELVEDGE_CO_TRY_VOID(co_await exchange_.send_head(std::move(head)));
    status_ = status;
    head_sent_ = true;
    co_return {};
  }
  io::Task<> write_body(base::ByteSpan bytes) override {
    tail_.append(base::as_text(bytes.last(std::min(bytes.size(), kTailBytesMax))));
    if (tail_.size() > kTailBytesMax) {
      tail_.erase(0, tail_.size() - kTailBytesMax);
    }
    return exchange_.write_body(bytes);
  }
  io::Task<> finish() override {
    finished_ = true;
    return exchange_.finish();
  }
  io::Task<> tunnel(wire::ResponseHead head, io::Stream& upstream, base::ByteSpan early) override {
    return exchange_.tunnel(std::move(head), upstream, early);
  }
  void on_disconnect(std::move_only_function<void()> callback) override {
    exchange_.on_disconnect(std::move(callback));
  }

  AdminCaller caller;
  std::string app;
  bool audited = false;

 private:
  // Names and outcomes only: nothing of what was sent, and of the answer what is listed here.
  std::string line() const {
    nlohmann::json made = {{"time", logs::format_time(clock_.wall_now(), 3)},
                           {"request", request_id()},
                           {"method", request().method().text()},
                           {"path", request().target().path()},
                           {"status", status_}};
    if (caller.peer.has_value()) {
      made["uid"] = caller.peer->user;
      made["pid"] = caller.peer->process;
    }
    if (!caller.local) {
      made["from"] = caller.address;
    }
    if (caller.token.has_value()) {
      made["token"] = caller.token->id;
      made["token_name"] = caller.token->name;
    }
    if (!app.empty()) {
      made["app"] = app;
    }
    std::string_view last = tail_;
    while (last.ends_with('\n')) {
      last.remove_suffix(1);
    }
    last = last.substr(last.rfind('\n') + 1);
    const auto answer = nlohmann::json::parse(last, nullptr, false);
    bool failed = status_ == 0 || status_ >= 400 || !finished_;
    if (answer.is_object()) {
      for (const char* const key : {"error", "version", "active"}) {
        if (const auto value = answer.find(key); value != answer.end()) {
          made[key] = *value;
        }
      }
      failed = failed || answer.contains("error");
    }
    made["result"] = failed ? "failed" : "done";
    return app::json_text(made);
  }

  app::HttpExchange& exchange_;
  AdminAccess& access_;
  const base::Clock& clock_;
  int status_ = 0;
  bool finished_ = false;
  std::string tail_;
};

io::Task<> AdminGate::handle(app::HttpExchange& exchange) {
  Recorder recorder(exchange, access_, access_.clock());
  recorder.caller.local = door_ == Door::kLocal;
  recorder.caller.peer = exchange.peer().unix_peer;
  recorder.caller.address = exchange.peer().remote_address;
  co_return co_await serve(recorder);
}

io::Task<> AdminGate::serve(Recorder& exchange) {
  const wire::RequestHead& request = exchange.request();
  const RouteMatch match = match_route(request.method().kind(), request.target().path());
  exchange.app = match.app.substr(0, app::kAppNameBytesMax);
  if (door_ == Door::kNetwork) {
    const std::string peer = peer_name(exchange.caller.address);
    if (const auto wait = access_.address_rate.take(peer)) {
      co_return co_await answer_later(exchange, "too many requests from this address", *wait);
    }
    auto identified = co_await identify(exchange);
    if (exchange.head_sent() || !identified.has_value()) {
      co_return std::move(identified);
    }
    if (const auto wait = access_.token_rate.take(exchange.caller.token->id)) {
      co_return co_await answer_later(exchange, "too many requests with this token", *wait);
    }
  }
  auto allowed = authorize(exchange.caller, match);
  if (allowed.has_value() && !match.app.empty() && !exchange.caller.may_use(match.app)) {
    allowed =
        co_await api_.check_owner(std::string(match.app), std::string(exchange.caller.owner()),
                                  match.route->path == kDeployPath);
  }
  if (!allowed.has_value() && allowed.error().kind() != ErrorKind::kDenied) {
    co_return co_await answer_error(exchange, allowed.error());
  }
  if (!allowed.has_value()) {
    co_return co_await answer_refusal(exchange, wire::StatusCode(403), std::move(allowed).error(),
                                      std::nullopt);
  }
  exchange.audited = match.route == nullptr ? request.method().kind() != wire::Method::Kind::kGet
                                            : match.route->audited;
  co_return co_await run(exchange, match);
}

// Who asks, or the answer that nobody does who may.
io::Task<> AdminGate::identify(Recorder& exchange) {
  const std::string peer = peer_name(exchange.caller.address);
  const auto shown = shown_token(exchange.request().headers());
  if (const auto wait = access_.failure_rate.wait_of(peer);
      wait.has_value() && (!shown.has_value() || !access_.verifier().remembers(*shown))) {
    co_return co_await answer_later(
        exchange, "too many requests without a good token from this address", *wait);
  }
  Result<TokenRecord> verified = shown.has_value()
                                     ? co_await access_.verifier().verify(*shown)
                                     : Result<TokenRecord>(fail(shown.error().clone()));
  if (verified.has_value()) {
    exchange.caller.token = *std::move(verified);
    co_return {};
  }
  Error error = std::move(verified).error();
  if (error.kind() != ErrorKind::kInvalid && error.kind() != ErrorKind::kDenied) {
    co_return co_await answer_error(exchange, error);
  }
  access_.failure_rate.take(peer);
  co_return co_await answer_refusal(exchange, wire::StatusCode(401),
                                    Error(ErrorKind::kDenied, error.message()), std::nullopt);
}

io::Task<> AdminGate::run(Recorder& exchange, const RouteMatch& match) {
  if (match.route == nullptr || match.route->path != kDeployPath) {
    co_return co_await api_.handle_for(exchange, exchange.caller);
  }
  if (access_.deploys >= access_.deploys_max) {
    co_return co_await answer_later(
        exchange, fmt::format("{} deploys are at work on this node: try again", access_.deploys),
        kDeployRetry);
  }
  const DeployTurn turn(access_.deploys);
  co_return co_await api_.handle_for(exchange, exchange.caller);
}

}  // namespace selvedge::node
