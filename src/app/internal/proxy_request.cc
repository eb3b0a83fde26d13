#include "app/internal/proxy_request.h"

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "app/internal/plain_answer.h"
#include "base/format.h"
#include "wire/characters.h"

namespace selvedge::app::internal {
namespace {

// One read of content.
constexpr std::size_t kChunkBytes = 16'384;

// RFC 9110 section 9.2.2.
bool is_idempotent(wire::Method::Kind kind) noexcept {
  using Kind = wire::Method::Kind;
  return kind == Kind::kGet || kind == Kind::kHead || kind == Kind::kOptions ||
         kind == Kind::kPut || kind == Kind::kDelete;
}

bool is_repeatable(const wire::RequestHead& request) noexcept {
  return is_idempotent(request.method().kind()) && !request.has_content();
}

std::string local_authority(const HttpPeer& peer) {
  const bool is_ipv6 = peer.local_address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", is_ipv6 ? "[" : "", peer.local_address, is_ipv6 ? "]" : "",
                     peer.local_port);
}

}  // namespace

ProxyRequest::ProxyRequest(HttpExchange& exchange, io::Reactor& reactor,
                           UpstreamSupervisor& supervisor, const ProxyLimits& limits,
                           ProxyMetrics& metrics, const VersionLog& log)
    : exchange_(exchange),
      reactor_(reactor),
      supervisor_(supervisor),
      limits_(limits),
      metrics_(metrics),
      log_(log),
      deadline_(reactor.deadline_after(limits.request_time_max)),
      offers_websocket_(wire::is_websocket_upgrade(exchange.request())),
      parser_(limits.response),
      sent_at_(reactor.now()),
      tasks_(reactor, 1) {}

ProxyRequest::~ProxyRequest() { exchange_.on_disconnect({}); }

io::Task<> ProxyRequest::run() {
  exchange_.on_disconnect([this] {
    client_gone_ = true;
    if (connection_.stream != nullptr) {
      connection_.stream->close();
    }
  });
  Result<> fetched = co_await fetch_head();
  if (!fetched && may_retry(fetched.error())) {
    ++metrics_.retried;
    is_retry_ = true;
    fetched = co_await fetch_head();
  }
  if (!fetched) {
    co_return co_await answer_failure(std::move(fetched).error());
  }
  if (parser_.is_upgrade()) {
    co_return co_await switch_protocol();
  }
  co_return co_await relay_content();
}

io::Task<> ProxyRequest::fetch_head() {
  const wire::RequestHead& request = exchange_.request();
  connection_ = {};
  upstream_ended_ = false;
  const Reuse reuse = is_retry_                ? Reuse::kNone
                      : is_repeatable(request) ? Reuse::kAny
                                               : Reuse::kBrief;
  SELVEDGE_CO_TRY(connection_, co_await supervisor_.acquire(reuse));
  if (client_gone_) {
    co_return fail(ErrorKind::kDisconnected, "the client left");
  }
  SELVEDGE_CO_TRY(const std::string head, serialize_head());
  parser_.start(
      {.is_head_request = request.method().is_head(), .offers_upgrade = offers_websocket_});
  SELVEDGE_CO_TRY_VOID(co_await connection_.stream->write_all(
      base::as_bytes(head), reactor_.deadline_after(limits_.head_time_max)));
  sent_at_ = reactor_.now();
  if (request.has_content()) {
    tasks_.spawn(send_content());
  } else {
    request_complete_ = true;
  }
  SELVEDGE_CO_TRY(const wire::Http1Event event, co_await next_event());
  SELVEDGE_DCHECK(event.kind == wire::Http1EventKind::kHead);
  static_cast<void>(event);
  head_complete_ = true;
  co_return {};
}

Result<std::string> ProxyRequest::serialize_head() {
  const HttpPeer& peer = exchange_.peer();
  const std::string fallback_host =
      exchange_.request().authority().empty() && !peer.local_address.empty() ? local_authority(peer)
                                                                             : std::string();
  std::string head;
  SELVEDGE_TRY_VOID(writer_.start(exchange_.request(),
                                  {.client_address = peer.remote_address,
                                   .secure = peer.secure,
                                   .fallback_host = fallback_host,
                                   .request_id = exchange_.request_id(),
                                   .upgrade_websocket = offers_websocket_},
                                  head));
  return head;
}

io::Task<> ProxyRequest::write(const wire::ContentFrame& frame) {
  const std::array<base::ByteSpan, 3> pieces{base::as_bytes(frame.prefix), frame.data,
                                             base::as_bytes(frame.suffix)};
  SELVEDGE_CO_TRY_VOID(co_await connection_.stream->write_all(
      pieces, reactor_.deadline_after(limits_.head_time_max)));
  sent_at_ = reactor_.now();
  co_return {};
}

io::Task<> ProxyRequest::send_content() {
  const auto chunk = std::make_unique_for_overwrite<std::byte[]>(kChunkBytes);
  for (;;) {
    auto count = co_await exchange_.read_body({chunk.get(), kChunkBytes});
    if (!count.has_value()) {
      // Half of the content must not look like all of it.
      input_error_ = std::move(count).error();
      connection_.stream->close();
      co_return {};
    }
    if (*count == 0) {
      const auto end = writer_.finish();
      request_complete_ = end && co_await write({.prefix = *end, .data = {}, .suffix = {}});
      co_return {};
    }
    // An error: the program does not want the rest. Its answer decides, or its silence.
    const auto frame = writer_.frame({chunk.get(), *count});
    if (!frame || !co_await write(*frame)) {
      co_return {};
    }
  }
}

// The program has head_time_max from the last byte that it took: many read all content first.
io::Deadline ProxyRequest::receive_deadline() const noexcept {
  return head_complete_
             ? deadline_
             : reactor_.deadline_at(sent_at_ + limits_.head_time_max).or_sooner(deadline_);
}

Result<wire::Http1Event> ProxyRequest::parse() {
  const auto event = upstream_ended_ ? parser_.end_of_input() : parser_.next(received_.bytes());
  if (!event) {
    // A connection that ended in the middle is no malformed response.
    return fail(upstream_ended_ ? ErrorKind::kDisconnected : ErrorKind::kInternal,
                std::string(event.error().reason));
  }
  if (event->kind != wire::Http1EventKind::kContent) {
    received_.consume(event->consumed);  // else once the content was passed on
  }
  return *event;
}

io::Task<wire::Http1Event> ProxyRequest::next_event() {
  Result<wire::Http1Event> event = parse();
  if (event && event->kind == wire::Http1EventKind::kNeedMore) {
    return receive_event();
  }
  return io::Task<wire::Http1Event>::ready(std::move(event));
}

io::Task<wire::Http1Event> ProxyRequest::receive_event() {
  io::Stream& stream = *connection_.stream;
  for (;;) {
    SELVEDGE_CO_TRY(const std::optional<std::size_t> count, stream.try_read(received_.space()));
    if (!count) {
      const Result<> ready = co_await stream.readable().wait(receive_deadline());
      if (!ready && receive_deadline().passed()) {
        co_return fail(ErrorKind::kTimeout, "the application did not answer in time");
      }
      continue;
    }
    received_.commit(*count);
    has_received_ = has_received_ || *count > 0;
    upstream_ended_ = *count == 0;
    SELVEDGE_CO_TRY(const wire::Http1Event event, parse());
    if (event.kind != wire::Http1EventKind::kNeedMore) {
      co_return event;
    }
  }
}

// A program that has ended was perhaps ended by this request.
bool ProxyRequest::may_retry(const Error& error) const noexcept {
  return connection_.is_reused && supervisor_.runs(connection_) && !has_received_ &&
         !client_gone_ && error.kind() == ErrorKind::kDisconnected &&
         is_repeatable(exchange_.request());
}

io::Task<> ProxyRequest::relay_content() {
  if (Result<> sent = co_await exchange_.send_head(std::move(parser_.head())); !sent) {
    if (exchange_.head_sent() || sent.error().kind() != ErrorKind::kInvalid) {
      co_return fail(std::move(sent).error());
    }
    co_return co_await answer_failure(
        Error(ErrorKind::kInternal, std::string(sent.error().message())));
  }
  for (;;) {
    auto event = co_await next_event();
    if (!event) {
      co_return co_await cut(std::move(event).error());
    }
    if (event->kind == wire::Http1EventKind::kEnd) {
      break;
    }
    SELVEDGE_CO_TRY_VOID(co_await exchange_.write_body(event->data));
    received_.consume(event->consumed);
  }
  if (parser_.keep_alive() && request_complete_ && received_.empty() && !client_gone_) {
    supervisor_.release(std::move(connection_));
  }
  co_return co_await exchange_.finish();
}

io::Task<> ProxyRequest::switch_protocol() {
  const auto protocol = parser_.head().headers.find("upgrade");
  if (!protocol || !wire::equals_ignoring_case(*protocol, "websocket")) {
    co_return co_await answer_failure(
        Error(ErrorKind::kInternal, "the application switches to another protocol than offered"));
  }
  ++metrics_.tunnels;
  exchange_.on_disconnect({});
  co_return co_await exchange_.tunnel(std::move(parser_.head()), *connection_.stream,
                                      received_.bytes());
}

// The response has begun: the client must see that it is not whole.
io::Task<> ProxyRequest::cut(Error error) {
  if (client_gone_) {
    ++metrics_.abandoned;
    co_return fail(ErrorKind::kDisconnected, "the client left");
  }
  if (error.kind() == ErrorKind::kTimeout) {
    ++metrics_.timed_out;
    log_.metrics()->count_limit(Limit::kRequestTime);
  } else {
    ++metrics_.failed_after_head;
  }
  error = std::move(error).with_context("the application's answer ended in the middle");
  log_.platform(error.message(), exchange_.request_id());
  co_return fail(std::move(error));
}

io::Task<> ProxyRequest::answer_failure(Error error) {
  if (input_error_) {
    co_return co_await answer_input_error();
  }
  if (client_gone_) {
    ++metrics_.abandoned;
    co_return fail(ErrorKind::kDisconnected, "the client left");
  }
  log_.platform(error.message(), exchange_.request_id());
  switch (error.kind()) {
    case ErrorKind::kOverloaded:
      ++metrics_.unavailable;
      co_return co_await answer_plainly(exchange_, wire::StatusCode(503),
                                        "The application does not run at the moment.",
                                        supervisor_.retry_after());
    case ErrorKind::kTimeout:
      ++metrics_.timed_out;
      log_.metrics()->count_limit(Limit::kRequestTime);
      co_return co_await answer_plainly(exchange_, wire::StatusCode(504),
                                        "The application did not answer in time.");
    case ErrorKind::kInvalid:
      co_return co_await answer_plainly(exchange_, wire::StatusCode(400),
                                        "The request cannot be passed on.");
    default:
      ++metrics_.failed_before_head;
      co_return co_await answer_plainly(exchange_, wire::StatusCode(502),
                                        error.kind() == ErrorKind::kDisconnected
                                            ? "The application ended without a valid answer."
                                            : "The application sent a malformed answer.");
  }
}

io::Task<> ProxyRequest::answer_input_error() {
  return answer_broken_content(exchange_, *std::exchange(input_error_, std::nullopt),
                               metrics_.abandoned);
}

}  // namespace selvedge::app::internal
