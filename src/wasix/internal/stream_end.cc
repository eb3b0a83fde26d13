#include "wasix/internal/stream_end.h"

#include <utility>

namespace selvedge::wasix::internal {

StreamEnd::StreamEnd(std::shared_ptr<LoopbackState> state, std::shared_ptr<SocketEvents> events,
                     BufferSizes sizes)
    : state_(std::move(state)),
      events_(std::move(events)),
      sizes_(sizes),
      incoming_(state_->budget) {}

void StreamEnd::join(StreamEnd& one, StreamEnd& other, const io::SocketAddress& local,
                     const io::SocketAddress& peer) {
  one.peer_ = &other;
  other.peer_ = &one;
  one.local_ = local;
  one.peer_at_ = peer;
  other.local_ = peer;
  other.peer_at_ = local;
  for (StreamEnd* const end : {&one, &other}) {
    end->update_readable();
    SocketEvents::assign(end->events_->writable, true);
  }
}

ErrnoResult<std::size_t> StreamEnd::read(std::span<const MutableByteSpan> buffers, bool peek) {
  std::size_t wanted = 0;
  std::size_t count = 0;
  for (const MutableByteSpan buffer : buffers) {
    wanted += buffer.size();
    count += peek ? incoming_.peek(buffer, count) : incoming_.pop(buffer);
  }
  if (count > 0) {
    if (!peek) {
      update_readable();
      if (peer_ != nullptr) {
        peer_->update_writable();
      }
    }
    return count;
  }
  if (wanted == 0) {
    return 0;
  }
  if (const Errno error = take_error(); error != Errno::kSuccess) {
    return refuse(error);
  }
  return receives() ? ErrnoResult<std::size_t>(refuse(Errno::kAgain)) : 0;
}

ErrnoResult<std::size_t> StreamEnd::write(std::span<const ByteSpan> buffers) {
  if (const Errno error = take_error(); error != Errno::kSuccess) {
    return refuse(error);
  }
  if (cannot_deliver()) {
    const bool peer_is_gone = peer_ == nullptr || (!is_unix() && !write_shut_);
    if (peer_is_gone && !std::exchange(found_closed_, true)) {
      events_->readable.set();  // hung up
    }
    return refuse(Errno::kPipe);
  }
  std::size_t wanted = 0;
  std::size_t count = 0;
  for (const ByteSpan buffer : buffers) {
    wanted += buffer.size();
    count += peer_->incoming_.push(buffer, capacity());
  }
  if (count == 0 && wanted > 0) {
    update_writable();
    return refuse(room() == 0 ? Errno::kAgain : Errno::kNobufs);
  }
  if (count > 0) {
    peer_->events_->readable.set();
  }
  update_writable();
  return count;
}

void StreamEnd::shutdown_write() noexcept {
  if (std::exchange(write_shut_, true)) {
    return;
  }
  if (peer_ != nullptr) {
    peer_->finished_ = true;
    peer_->events_->readable.set();
  }
  if (!receives()) {
    events_->readable.set();  // hung up
  }
  update_writable();
}

void StreamEnd::shutdown_read() noexcept {
  if (std::exchange(read_shut_, true)) {
    return;
  }
  events_->readable.set();
  if (peer_ != nullptr) {
    peer_->update_writable();
  }
}

void StreamEnd::close(bool reset) noexcept {
  if (std::exchange(closed_, true)) {
    return;
  }
  read_shut_ = true;
  write_shut_ = true;
  incoming_.clear();
  if (StreamEnd* const peer = std::exchange(peer_, nullptr)) {
    peer->peer_left(reset);
  }
  update_readable();
  update_writable();
}

void StreamEnd::peer_left(bool reset) noexcept {
  peer_ = nullptr;
  finished_ = true;
  if (reset) {
    was_reset_ = true;
    error_ = Errno::kConnreset;
  }
  events_->readable.set();
  events_->writable.set();
}

Readiness StreamEnd::read_readiness() const noexcept {
  return {.ready = can_read(),
          .hangup = hung_up(),
          .ended = !receives(),
          .error = error_ != Errno::kSuccess,
          .bytes = incoming_.size()};
}

Readiness StreamEnd::write_readiness() const noexcept {
  return {.ready = events_->writable.is_set(), .hangup = hung_up(), .bytes = room()};
}

void StreamEnd::set_options(const SocketOptions& options) noexcept {
  sizes_ = BufferSizes::of(options);
  update_writable();
  if (peer_ != nullptr) {
    peer_->update_writable();
  }
}

Errno StreamEnd::take_error() noexcept {
  const Errno error = std::exchange(error_, Errno::kSuccess);
  update_readable();
  return error;
}

// The end of a TCP connection does not know whether a peer that has finished still reads, until it
// has written.
bool StreamEnd::hung_up() const noexcept {
  if (was_reset_ || found_closed_ || (is_unix() && peer_ == nullptr)) {
    return true;
  }
  return !receives() && (write_shut_ || (is_unix() && peer_->read_shut_));
}

bool StreamEnd::can_read() const noexcept {
  return incoming_.size() > 0 || !receives() || error_ != Errno::kSuccess;
}

bool StreamEnd::cannot_deliver() const noexcept {
  if (write_shut_ || peer_ == nullptr) {
    return true;
  }
  return peer_->read_shut_ && (is_unix() || peer_->write_shut_);
}

std::size_t StreamEnd::capacity() const noexcept {
  return peer_ == nullptr ? 0 : sizes_.send + peer_->sizes_.receive;
}

std::size_t StreamEnd::room() const noexcept {
  const std::size_t limit = capacity();
  return peer_ == nullptr || peer_->incoming_.size() >= limit ? 0 : limit - peer_->incoming_.size();
}

void StreamEnd::update_readable() noexcept { SocketEvents::assign(events_->readable, can_read()); }

// Between the marks it stays as it is.
void StreamEnd::update_writable() noexcept {
  if (cannot_deliver() || room() >= capacity() / 2) {
    SocketEvents::assign(events_->writable, true);
  } else if (room() == 0) {
    SocketEvents::assign(events_->writable, false);
  }
}

}  // namespace selvedge::wasix::internal
