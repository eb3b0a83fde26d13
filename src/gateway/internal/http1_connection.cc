#include "gateway/internal/http1_connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "gateway/internal/error_response.h"
#include "gateway/internal/http1_exchange.h"
#include "gateway/internal/tunnel.h"

namespace selvedge::gateway::internal {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
// Beyond a head: the line feed that tells that it is too large.
constexpr std::size_t kInputSlackBytes = 1024;

app::HttpPeer describe_peer(const io::Stream& stream) {
  app::HttpPeer peer;
  const io::SocketAddress remote = stream.peer_address();
  const io::SocketAddress local = stream.local_address();
  if (!remote.is_unix() && !local.is_unix()) {
    peer.remote_address = remote.ip().to_string();
    peer.remote_port = remote.port();
    peer.local_address = local.ip().to_string();
    peer.local_port = local.port();
    peer.secure = stream.is_encrypted();
  } else {
    peer.unix_peer = stream.unix_peer();
  }
  return peer;
}

}  // namespace

Http1Connection::Http1Connection(ShardContext& context, std::unique_ptr<io::Stream> stream)
    : context_(context),
      stream_(std::move(stream)),
      input_(context.blocks, std::max(context.options.http1.head_bytes_max + kInputSlackBytes,
                                      BlockPool::kBlockBytes)),
      parser_(context.options.http1),
      output_(context.reactor, *stream_, context.options.minimum_rate,
              context.metrics.bytes_sent_total) {}

io::Task<> Http1Connection::run() {
  for (;;) {
    const auto event = parser_.next(input_.bytes());
    if (!event) {
      co_return co_await refuse(event.error());
    }
    input_.consume(event->consumed);
    Next next = Next::kContinue;
    switch (event->kind) {
      case wire::Http1EventKind::kHead:
        begin_request();
        if (answer_here()) {
          next = close_after_ ? Next::kClose : Next::kContinue;
        } else {
          SELVEDGE_CO_TRY(next, co_await serve_request());
        }
        break;
      case wire::Http1EventKind::kContent:
        discarded_bytes_ += event->data.size();
        next = discarded_bytes_ > kDiscardedBytesMax ? Next::kClose : Next::kContinue;
        break;
      case wire::Http1EventKind::kEnd:
        in_content_ = false;
        parser_.start_next();
        break;
      case wire::Http1EventKind::kNeedMore:
        if (!output_.empty() && !co_await output_.flush()) {
          co_return {};
        }
        if (const Fill filled = try_fill_now(); filled == Fill::kNothing) {
          // Written out here: a waiting connection needs no second coroutine frame.
          const base::Duration allowance = begin_wait();
          const Result<> ready =
              co_await stream_->readable().wait(context_.reactor.deadline_after(allowance));
          idle_ = false;
          if (!ready) {
            co_return co_await give_up(Fill::kTimeout);
          }
        } else if (filled != Fill::kData) {
          co_return co_await give_up(filled);
        }
        break;
    }
    if (next == Next::kClose) {
      co_return co_await end();
    }
    if (output_.buffer().size() > Output::kHighWaterBytes && !co_await output_.flush()) {
      co_return {};
    }
  }
}

void Http1Connection::begin_request() noexcept {
  context_.handler.expect(parser_.head());
  in_content_ = parser_.head().has_content();
  continue_sent_ = !parser_.head().expects_continue();
  discarded_bytes_ = 0;
  head_deadline_.reset();
  content_watch_.reset();
  has_served_ = true;
  context_.metrics.requests_total.add();
}

// The health route and "OPTIONS *", which concern the server and not what it serves.
bool Http1Connection::answer_here() {
  const wire::RequestHead& request = parser_.head();
  const wire::Method::Kind method = request.method().kind();
  if (request.target().path() == kHealthPath &&
      (method == wire::Method::Kind::kGet || method == wire::Method::Kind::kHead)) {
    if (may_keep_alive() && request.version() == wire::HttpVersion::kHttp11) {
      output_.buffer() += context_.health.bytes(context_.date.text(), request.method().is_head());
      return true;
    }
    wire::ResponseHead head;
    head.headers.add("content-type", "text/plain");
    head.headers.add("cache-control", "no-store");
    answer_whole(head, "ok\n");
    return true;
  }
  if (request.target().is_asterisk_form()) {
    wire::ResponseHead head{.status = wire::StatusCode(204)};
    head.headers.add("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    answer_whole(head, "");
    return true;
  }
  return false;
}

void Http1Connection::answer_whole(const wire::ResponseHead& head, std::string_view content) {
  wire::Http1ResponseOptions options;
  options.is_head_request = parser_.head().method().is_head();
  options.version = parser_.head().version();
  options.keep_alive = may_keep_alive();
  options.content_bytes = content.size();
  options.date = context_.date.text();
  wire::Http1ResponseWriter writer;
  const bool started = writer.start(head, options, output_.buffer()).has_value();
  close_after_ = !started || !writer.keep_alive();
  if (const auto frame = writer.frame(base::as_bytes(content)); started && frame) {
    output_.buffer() += base::as_text(frame->data);
  }
}

io::Task<Http1Connection::Next> Http1Connection::serve_request() {
  Http1Exchange exchange(*this);
  const Result<> result = co_await context_.handler.handle(exchange);
  co_return exchange.conclude(result);
}

io::Task<> Http1Connection::refuse(wire::HttpRejection rejection) {
  context_.metrics.requests_rejected_total.add();
  const RequestId request_id = context_.request_ids.next();
  log::debug("request refused id={} peer={} status={} reason={}", request_id.text(),
             peer().remote_address, rejection.status.value(), rejection.reason);
  const ErrorResponse response =
      make_error_response(rejection.status, rejection.reason, request_id.text(), nullptr);
  wire::Http1ResponseOptions options;
  options.keep_alive = false;
  options.content_bytes = response.content.size();
  options.date = context_.date.text();
  wire::Http1ResponseWriter writer;
  if (writer.start(response.head, options, output_.buffer())) {
    output_.buffer() += response.content;
  }
  in_content_ = true;  // what follows is not understood, but may be on its way
  co_return co_await end();
}

// Hands the last bytes to the kernel and closes. While the peer may still be sending, closing at
// once would reset the connection and could destroy the response before the peer has read it.
io::Task<> Http1Connection::end() {
  if (!co_await output_.flush() || aborted_) {
    stream_->abort();
    co_return {};
  }
  if (!in_content_ && input_.empty()) {
    co_return {};
  }
  if (!stream_->shutdown_write()) {
    co_return {};
  }
  const base::MonotonicTime until = context_.reactor.now() + kLingerMax;
  for (;;) {
    input_.consume(input_.bytes().size());
    const base::Duration left = until - context_.reactor.now();
    if (left <= base::Duration::zero()) {
      break;
    }
    const auto filled = co_await fill(left);
    if (!filled || *filled != Fill::kData) {
      break;
    }
  }
  co_return {};
}

void Http1Connection::truncate(bool ends_by_close) noexcept {
  close_after_ = true;
  aborted_ = ends_by_close;
}

Http1Connection::Fill Http1Connection::try_fill() {
  if (!stream_->readable().is_set()) {
    return Fill::kNothing;
  }
  const base::MutableByteSpan space = input_.space();
  if (space.empty()) {
    return Fill::kFull;
  }
  const io::Attempt attempt = stream_->try_read(space);
  if (!attempt) {
    return Fill::kBroken;
  }
  if (!*attempt) {
    return Fill::kNothing;
  }
  const std::size_t count = **attempt;
  input_.commit(count);
  context_.metrics.bytes_received_total.add(count);
  if (wait_start_ && content_watch_) {
    content_watch_->moved(context_.reactor.now() - *wait_start_, count);
  }
  wait_start_.reset();
  return count > 0 ? Fill::kData : Fill::kEnd;
}

bool Http1Connection::idle_ends() const noexcept {
  return context_.draining && context_.reactor.now() >= context_.idle_until;
}

// The same, for the main loop: an idle connection of a server that drains is at its end.
Http1Connection::Fill Http1Connection::try_fill_now() {
  const Fill filled = try_fill();
  return filled == Fill::kNothing && at_start() && idle_ends() ? Fill::kEnd : filled;
}

io::Task<Http1Connection::Fill> Http1Connection::fill(base::Duration allowance) {
  const io::Deadline deadline = context_.reactor.deadline_after(allowance);
  wait_start_ = context_.reactor.now();
  for (;;) {
    if (const Fill filled = try_fill(); filled != Fill::kNothing) {
      co_return filled;
    }
    input_.release_if_empty();
    if (!co_await stream_->readable().wait(deadline)) {
      co_return Fill::kTimeout;
    }
  }
}

// The main loop is about to wait: for the next request, for the rest of a head, or for content to
// discard. How long it may.
base::Duration Http1Connection::begin_wait() {
  const base::MonotonicTime now = context_.reactor.now();
  input_.release_if_empty();
  if (in_content_) {
    wait_start_ = wait_start_.value_or(now);
    return content_watch().allowance();
  }
  if (!input_.empty()) {
    head_deadline_ = head_deadline_.value_or(now + context_.options.head_timeout);
    return *head_deadline_ - now;
  }
  idle_ = true;
  idle_since_ = now;
  return has_served_ ? context_.options.idle_timeout : context_.options.head_timeout;
}

// Nothing more comes from the peer, or not in time.
io::Task<> Http1Connection::give_up(Fill why) {
  if (why == Fill::kTimeout && !in_content_ && !input_.empty()) {
    co_return co_await refuse({wire::StatusCode(408), "the request came too slowly"});
  }
  in_content_ = false;
  input_.consume(input_.bytes().size());
  co_return co_await end();
}

RateWatch& Http1Connection::content_watch() noexcept {
  if (!content_watch_) {
    content_watch_.emplace(context_.options.minimum_rate);
  }
  return *content_watch_;
}

// nullopt: more bytes are needed. 0: the end.
Result<std::optional<std::size_t>> Http1Connection::take_content(base::MutableByteSpan buffer) {
  for (;;) {
    const base::ByteSpan input = input_.bytes();
    const auto event = parser_.next(input.first(std::min(input.size(), buffer.size())));
    if (!event) {
      content_rejection_ = event.error();
      return fail(
          event.error().status.value() == 413 ? ErrorKind::kOverloaded : ErrorKind::kInvalid,
          std::string(event.error().reason));
    }
    input_.consume(event->consumed);
    switch (event->kind) {
      case wire::Http1EventKind::kContent:
        std::memcpy(buffer.data(), event->data.data(), event->data.size());
        return event->data.size();
      case wire::Http1EventKind::kEnd:
        if (std::exchange(in_content_, false) && exchange_ != nullptr) {
          exchange_->on_content_end();
        }
        return 0;
      case wire::Http1EventKind::kHead:
      case wire::Http1EventKind::kNeedMore:
        if (event->consumed == 0 || input_.empty()) {
          return std::nullopt;
        }
    }
  }
}

io::Task<std::size_t> Http1Connection::read_content(base::MutableByteSpan buffer, bool head_sent) {
  if (content_rejection_) {
    return io::Task<std::size_t>::ready(
        fail(ErrorKind::kInvalid, std::string(content_rejection_->reason)));
  }
  Result<std::optional<std::size_t>> taken = take_content(buffer);
  if (!taken) {
    return io::Task<std::size_t>::ready(fail(std::move(taken).error()));
  }
  if (*taken || buffer.empty()) {
    return io::Task<std::size_t>::ready(taken->value_or(0));
  }
  if (!std::exchange(continue_sent_, true) && !head_sent) {
    output_.buffer() += kContinue;
    output_.flush_soon();
  }
  return read_content_slowly(buffer);
}

io::Task<std::size_t> Http1Connection::read_content_slowly(base::MutableByteSpan buffer) {
  for (;;) {
    SELVEDGE_CO_TRY(const Fill filled, co_await fill(content_watch().allowance()));
    if (filled == Fill::kTimeout) {
      content_rejection_ =
          wire::HttpRejection{wire::StatusCode(408), "the content came too slowly"};
      co_return fail(ErrorKind::kTimeout, "the client sends its content too slowly");
    }
    if (filled != Fill::kData) {
      content_rejection_ =
          wire::HttpRejection{wire::StatusCode(400), "the content ended before its end"};
      co_return fail(ErrorKind::kDisconnected, "the client went away before the content's end");
    }
    SELVEDGE_CO_TRY(const std::optional<std::size_t> taken, take_content(buffer));
    if (taken) {
      co_return *taken;
    }
  }
}

// Whether the response that is about to be written may leave the connection open.
bool Http1Connection::may_keep_alive() const noexcept {
  const wire::RequestHead& request = parser_.head();
  if (!request.wants_keep_alive() || context_.draining || content_rejection_) {
    return false;
  }
  // Without "100 Continue" nobody knows whether the content will come.
  return !in_content_ ||
         (continue_sent_ && request.content_length().value_or(0) <= kDiscardedBytesMax);
}

void Http1Connection::drain() noexcept {
  if (idle_ && idle_ends()) {
    close_idle();
  } else if (tunnel_ != nullptr) {
    tunnel_->drain();
  }
}

io::Task<> Http1Connection::run_tunnel(io::Stream& upstream, base::ByteSpan early) {
  SELVEDGE_CO_TRY_VOID(co_await output_.flush());
  Tunnel tunnel(context_, *stream_, input_, upstream);
  tunnel_ = &tunnel;
  const Result<> result = co_await tunnel.run(early);
  tunnel_ = nullptr;
  input_.consume(input_.bytes().size());
  if (!result) {
    log::debug("tunnel ended error={}", result.error().message());
  }
  co_return {};
}

const app::HttpPeer& Http1Connection::peer() {
  if (!peer_) {
    peer_.emplace(describe_peer(*stream_));
  }
  return *peer_;
}

}  // namespace selvedge::gateway::internal
