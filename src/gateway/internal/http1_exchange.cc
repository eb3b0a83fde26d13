#include "gateway/internal/http1_exchange.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "gateway/internal/error_response.h"
#include "wire/http1_request_writer.h"

namespace selvedge::gateway::internal {
namespace {

wire::StatusCode status_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kOverloaded:
      return wire::StatusCode(503);
    case ErrorKind::kTimeout:
      return wire::StatusCode(504);
    default:
      return wire::StatusCode(500);
  }
}

}  // namespace

Http1Exchange::Http1Exchange(Http1Connection& connection)
    : connection_(connection),
      request_id_(connection.context_.request_ids.next()),
      start_(connection.context_.reactor.now()),
      watch_(*this) {
  connection_.exchange_ = this;
  connection_.context_.metrics.requests_active.add(1);
}

Http1Exchange::~Http1Exchange() {
  connection_.exchange_ = nullptr;
  connection_.context_.metrics.requests_active.add(-1);
}

const wire::RequestHead& Http1Exchange::request() const noexcept {
  return connection_.parser_.head();
}

const app::HttpPeer& Http1Exchange::peer() const noexcept {
  const TrustedProxies& proxies = connection_.context_.options.trusted_proxies;
  if (proxies.empty() && told_peer_ == nullptr) {
    return connection_.peer();
  }
  if (told_peer_ == nullptr) {
    told_peer_ =
        std::make_unique<const app::HttpPeer>(proxies.peer_of(request(), connection_.peer()));
  }
  return *told_peer_;
}

io::Task<std::size_t> Http1Exchange::read_body(base::MutableByteSpan buffer) {
  return connection_.read_content(buffer, head_sent_);
}

io::Task<> Http1Exchange::send_head(wire::ResponseHead head) {
  if (head_sent_) {
    return io::Task<>::ready(fail(ErrorKind::kInvalid, "the response head was sent already"));
  }
  if (Result<> fit = wire::sanitize_response_head(head); !fit) {
    return io::Task<>::ready(std::move(fit));
  }
  return io::Task<>::ready(start_response(head, nullptr));
}

Result<> Http1Exchange::start_response(const wire::ResponseHead& head,
                                       std::uint64_t* content_bytes) {
  wire::Http1ResponseOptions options;
  options.is_head_request = request().method().is_head();
  options.version = request().version();
  options.keep_alive = connection_.may_keep_alive();
  options.date = connection_.context_.date.text();
  options.request_id = request_id_.text();
  if (content_bytes != nullptr) {
    options.content_bytes = *content_bytes;
  }
  SELVEDGE_TRY_VOID(writer_.start(head, options, connection_.output_.buffer()));
  head_sent_ = true;
  status_ = head.status;
  connection_.close_after_ = !writer_.keep_alive();
  connection_.output_.flush_soon();
  return {};
}

io::Task<> Http1Exchange::write_body(base::ByteSpan bytes) {
  if (!head_sent_ || finished_) {
    return io::Task<>::ready(
        fail(ErrorKind::kInvalid, "content comes after the head and before the end"));
  }
  if (bytes.size() > kFrameBytesMax) {
    return write_parts(bytes);
  }
  Result<wire::ContentFrame> frame = writer_.frame(bytes);
  if (!frame) {
    return io::Task<>::ready(fail(std::move(frame).error()));
  }
  content_bytes_ += bytes.size();
  return connection_.output_.write(*frame);
}

io::Task<> Http1Exchange::write_parts(base::ByteSpan bytes) {
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), kFrameBytesMax);
    SELVEDGE_CO_TRY_VOID(co_await write_body(bytes.first(size)));
    bytes = bytes.subspan(size);
  }
  co_return {};
}

Result<> Http1Exchange::finish_now() {
  if (!head_sent_ || finished_) {
    return fail(ErrorKind::kInvalid, "the end comes once, after the head");
  }
  SELVEDGE_TRY(const std::string_view end, writer_.finish());
  connection_.output_.buffer().append(end);
  connection_.output_.flush_soon();
  finished_ = true;
  return {};
}

io::Task<> Http1Exchange::finish() { return io::Task<>::ready(finish_now()); }

Result<> Http1Exchange::start_tunnel(wire::ResponseHead head) {
  if (head_sent_) {
    return fail(ErrorKind::kInvalid, "the response head was sent already");
  }
  if (!wire::is_websocket_upgrade(request())) {
    return fail(ErrorKind::kUnsupported, "the client does not offer to switch to WebSocket");
  }
  if (connection_.context_.draining) {
    return fail(ErrorKind::kOverloaded, "the server is shutting down");
  }
  wire::Http1ResponseOptions options;
  options.date = connection_.context_.date.text();
  options.request_id = request_id_.text();
  status_ = head.status;
  SELVEDGE_TRY_VOID(wire::append_upgrade_response(std::move(head), "websocket", options,
                                                  connection_.output_.buffer()));
  head_sent_ = true;
  connection_.close_after_ = true;
  return {};
}

io::Task<> Http1Exchange::tunnel(wire::ResponseHead head, io::Stream& upstream,
                                 base::ByteSpan early) {
  SELVEDGE_CO_TRY_VOID(start_tunnel(std::move(head)));
  // The tunnel notices by itself when the peer goes, and is the only reader from now on.
  disconnected_ = nullptr;
  watch_.unlink();
  SELVEDGE_CO_TRY_VOID(co_await connection_.run_tunnel(upstream, early));
  finished_ = true;
  co_return {};
}

void Http1Exchange::on_disconnect(std::move_only_function<void()> callback) {
  const bool was_set = static_cast<bool>(disconnected_);
  disconnected_ = std::move(callback);
  if (disconnected_ && !was_set && !connection_.in_content_) {
    connection_.context_.reactor.schedule(watch_);
  }
}

void Http1Exchange::on_content_end() {
  if (disconnected_) {
    connection_.context_.reactor.schedule(watch_);
  }
}

void Http1Exchange::PeerWatch::run(QueuedWork& work) noexcept {
  static_cast<PeerWatch&>(work).exchange_.watch_peer();
}

Http1Exchange::HalfClosedWatch::HalfClosedWatch(Http1Exchange& exchange) noexcept
    : EventObserver(&HalfClosedWatch::notice),
      Timer(&HalfClosedWatch::expire),
      exchange_(exchange) {
  io::Reactor& reactor = exchange.connection_.context_.reactor;
  exchange.connection_.stream_->readable().observe(*this);
  reactor.timers().arm(*this, reactor.now() + kHalfClosedWaitMax);
}

void Http1Exchange::HalfClosedWatch::notice(io::EventObserver& observer) noexcept {
  Http1Exchange& exchange = static_cast<HalfClosedWatch&>(observer).exchange_;
  exchange.connection_.context_.reactor.schedule(exchange.watch_);
}

// Behind the head, what is sent tells whether the peer is there.
void Http1Exchange::HalfClosedWatch::expire(io::Timer& timer) noexcept {
  Http1Exchange& exchange = static_cast<HalfClosedWatch&>(timer).exchange_;
  if (exchange.disconnected_ && !exchange.head_sent_) {
    std::exchange(exchange.disconnected_, nullptr)();
  }
}

// Reads ahead, into the connection's bounded buffer, for as long as the handler works.
void Http1Exchange::watch_peer() noexcept {
  while (disconnected_) {
    switch (connection_.try_fill()) {
      case Http1Connection::Fill::kNothing:
        connection_.stream_->readable().call_when_set(watch_);
        return;
      case Http1Connection::Fill::kData:
        break;
      case Http1Connection::Fill::kFull:
        return;
      case Http1Connection::Fill::kEnd:
        // RFC 9112, 9.6: a client may half-close and still gets its answer.
        if (!connection_.stream_->hung_up()) {
          if (!half_closed_) {
            half_closed_.emplace(*this);
          }
          return;
        }
        [[fallthrough]];
      case Http1Connection::Fill::kTimeout:
      case Http1Connection::Fill::kBroken:
        std::exchange(disconnected_, nullptr)();
        return;
    }
  }
}

void Http1Exchange::answer_error(wire::StatusCode status, std::string_view reason) {
  const ErrorResponse response =
      make_error_response(status, reason, request_id_.text(), &request());
  std::uint64_t content_bytes = response.content.size();
  if (!start_response(response.head, &content_bytes)) {
    connection_.close_after_ = true;
    return;
  }
  const auto frame = writer_.frame(base::as_bytes(response.content));
  if (frame) {
    connection_.output_.buffer().append(base::as_text(frame->data));
    content_bytes_ = frame->data.size();
  }
  if (!finish_now()) {
    connection_.close_after_ = true;
  }
}

Http1Connection::Next Http1Exchange::conclude(const Result<>& result) {
  using Next = Http1Connection::Next;
  disconnected_ = nullptr;
  if (result && finished_) {
    log_access("done");
    return connection_.close_after_ || connection_.content_rejection_ ? Next::kClose
                                                                      : Next::kContinue;
  }
  connection_.context_.metrics.responses_failed_total.add();
  const std::string_view message =
      result ? std::string_view("the handler ended without finishing its response")
             : std::string_view(result.error().message());
  log::warning("request failed id={} status={} error={}", request_id_.text(),
               head_sent_ ? status_.value() : 0, message);
  if (head_sent_) {
    // Never the end marker: the peer must see that the content is truncated.
    connection_.truncate(writer_.ends_by_close());
    log_access("truncated");
    return Next::kClose;
  }
  if (const auto& rejection = connection_.content_rejection_) {
    connection_.close_after_ = true;
    answer_error(rejection->status, rejection->reason);
  } else {
    answer_error(status_of(result ? ErrorKind::kInternal : result.error().kind()),
                 "the application failed to answer");
  }
  log_access("failed");
  return connection_.close_after_ ? Next::kClose : Next::kContinue;
}

void Http1Exchange::log_access(std::string_view outcome) const {
  const ShardContext& context = connection_.context_;
  if (!context.options.access_log || !log::enabled(log::Level::kInfo)) {
    return;
  }
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(context.reactor.now() - start_);
  log::info("request id={} peer={} method={} host={} target={} status={} bytes={} micros={} {}",
            request_id_.text(), peer().remote_address, request().method().text(),
            request().authority(), log::escape(request().target().text(), 512), status_.value(),
            content_bytes_, micros.count(), outcome);
}

}  // namespace selvedge::gateway::internal
