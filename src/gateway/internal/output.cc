#include "gateway/internal/output.h"

#include <array>
#include <utility>

#include "gateway/internal/rate_watch.h"

namespace selvedge::gateway::internal {

Output::Output(io::Reactor& reactor, io::Stream& stream, const MinimumRate& rate,
               base::Counter& bytes_sent)
    : stream_(stream),
      rate_(rate),
      bytes_sent_(bytes_sent),
      progress_(reactor),
      soon_(*this),
      scope_(reactor, kTasksMax) {}

void Output::SoonWork::run(QueuedWork& work) noexcept {
  Output& output = static_cast<SoonWork&>(work).output_;
  output.attempt();
  if (!output.empty()) {
    output.start_sender();
  }
}

void Output::flush_soon() noexcept {
  if (!sending_) {
    progress_.reactor().schedule(soon_);
  }
}

Result<> Output::check() const {
  if (error_) {
    return fail(error_->clone());
  }
  return {};
}

void Output::attempt(const wire::ContentFrame& frame) {
  soon_.unlink();
  const std::array<base::ByteSpan, 4> pieces{base::as_bytes(buffer_), base::as_bytes(frame.prefix),
                                             frame.data, base::as_bytes(frame.suffix)};
  std::size_t written = 0;
  if (!sending_ && !error_) {
    const bool only_buffer = frame.data.empty() && frame.prefix.empty() && frame.suffix.empty();
    const auto attempt = buffer_.empty() && only_buffer
                             ? io::Attempt(0)
                             : stream_.try_write(std::span(pieces).first(only_buffer ? 1 : 4));
    if (!attempt) {
      error_ = attempt.error().clone();
    } else {
      written = attempt->value_or(0);
      bytes_sent_.add(written);
    }
  }
  std::size_t skipped = std::min(written, buffer_.size());
  if (skipped == buffer_.size()) {
    buffer_.clear();
    if (buffer_.capacity() > kKeptBytesMax) {
      buffer_ = std::string();
    }
  } else {
    buffer_.erase(0, skipped);
  }
  if (error_) {
    buffer_.clear();
    return;
  }
  for (const base::ByteSpan piece : std::span(pieces).subspan(1)) {
    const std::size_t sent = std::min(written - skipped, piece.size());
    skipped += sent;
    buffer_.append(base::as_text(piece.subspan(sent)));
  }
}

void Output::start_sender() {
  if (!sending_ && !error_) {
    sending_ = scope_.spawn(send_rest());
  }
}

io::Task<> Output::send_rest() {
  RateWatch watch(rate_);
  io::Reactor& reactor = progress_.reactor();
  while (!buffer_.empty() && !error_) {
    const base::MonotonicTime start = reactor.now();
    const Result<> ready =
        co_await stream_.writable().wait(reactor.deadline_after(watch.allowance()));
    if (!ready) {
      error_ = ready.error().clone();
      break;
    }
    sending_ = false;
    const std::size_t before = buffer_.size();
    attempt();
    sending_ = true;
    watch.moved(reactor.now() - start, before - buffer_.size());
    progress_.notify();
  }
  sending_ = false;
  progress_.notify();
  co_return {};
}

io::Task<> Output::wait_for_room(std::size_t bytes_left_max) {
  while (!error_ && buffer_.size() > bytes_left_max) {
    co_await progress_.wait();
  }
  co_return check();
}

io::Task<> Output::flush() {
  attempt();
  if (error_ || buffer_.empty()) {
    return io::Task<>::ready(check());
  }
  start_sender();
  return wait_for_room(0);
}

io::Task<> Output::write(const wire::ContentFrame& frame) {
  const std::size_t size = frame.prefix.size() + frame.data.size() + frame.suffix.size();
  if (error_ || size == 0) {
    return io::Task<>::ready(check());
  }
  if (sending_ || size <= kCopiedBytesMax) {
    buffer_.append(frame.prefix).append(base::as_text(frame.data)).append(frame.suffix);
    if (buffer_.size() <= kHighWaterBytes) {
      flush_soon();
      return io::Task<>::ready({});
    }
    attempt();
  } else {
    attempt(frame);
  }
  if (error_ || buffer_.empty()) {
    return io::Task<>::ready(check());
  }
  start_sender();
  return buffer_.size() <= kHighWaterBytes ? io::Task<>::ready({})
                                           : wait_for_room(kHighWaterBytes / 2);
}

}  // namespace selvedge::gateway::internal
