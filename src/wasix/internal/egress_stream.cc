#include "wasix/internal/egress_stream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "wasix/internal/egress_errno.h"

namespace selvedge::wasix::internal {

EgressStream::EgressStream(std::shared_ptr<LoopbackState> state,
                           std::shared_ptr<SocketEvents> events, EgressNetwork::Slot slot,
                           const SocketOptions& options)
    : state_(std::move(state)),
      events_(std::move(events)),
      slot_(std::move(slot)),
      incoming_(state_->budget),
      connecting_(state_->reactor, 1) {
  set_options(options);
}

EgressStream::~EgressStream() {
  if (incoming_.size() > 0) {
    reset();
  }
}

void EgressStream::connect(const io::SocketAddress& target) {
  peer_ = target;
  // From the loop: the kernel is not asked on the guest's stack.
  connecting_.spawn(run_connect());
}

io::Task<> EgressStream::run_connect() {
  auto made = co_await state_->egress->network().connect(
      peer_, state_->reactor.deadline_after(kConnectTimeMax));
  pending_ = false;
  if (made) {
    connected(*std::move(made));
  } else {
    connect_result_ = connect_errno(made.error().kind());
    events_->readable.set();
  }
  events_->writable.set();
  co_return {};
}

void EgressStream::connected(std::unique_ptr<io::Stream> stream) {
  stream_ = std::move(stream);
  stream_->set_options(stream_options_);
  receive();
}

void EgressStream::receive() {
  while (receive_some()) {
  }
}

// False: nothing more for now.
bool EgressStream::receive_some() {
  if (finished_ || broken_ || incoming_.size() >= buffer_bytes_max_) {
    return false;
  }
  const std::size_t room = std::min(buffer_bytes_max_ - incoming_.size(), kReadBytesMax);
  const std::size_t wanted = state_->egress->quota(room);
  if (wanted == 0) {
    fail(Errno::kDquot);
    return false;
  }
  if (!incoming_.reserve(wanted)) {
    // Goes on when the guest has read, if there is something.
    if (incoming_.size() == 0) {
      fail(Errno::kNobufs);
    }
    return false;
  }
  std::array<std::byte, kReadBytesMax> buffer [[clang::uninitialized]];
  const io::Attempt attempt = stream_->try_read(std::span(buffer).first(wanted));
  if (!attempt) {
    fail(attempt.error().kind() == ErrorKind::kTimeout ? Errno::kTimedout : Errno::kConnreset);
    return false;
  }
  if (!*attempt) {
    stream_->readable().call_when_set(receive_);
    return false;
  }
  const std::size_t count = **attempt;
  finished_ = count == 0;
  state_->egress->count_bytes(count);
  incoming_.push(std::span(buffer).first(count), buffer_bytes_max_);
  events_->readable.set();
  return !finished_;
}

void EgressStream::fail(Errno error) noexcept {
  broken_ = true;
  error_ = error;
  stream_->abort();
  events_->readable.set();
  events_->writable.set();
}

ErrnoResult<std::size_t> EgressStream::read(std::span<const MutableByteSpan> buffers, bool peek) {
  std::size_t wanted = 0;
  std::size_t count = 0;
  for (const MutableByteSpan buffer : buffers) {
    wanted += buffer.size();
    count += peek ? incoming_.peek(buffer, count) : incoming_.pop(buffer);
  }
  if (count > 0) {
    if (!peek) {
      update_readable();
      // A buffer that was full has paused receiving; when the kernel had nothing left, this moves
      // the wait to a moment later.
      state_->reactor.schedule(receive_);
    }
    return count;
  }
  if (wanted == 0) {
    return 0;
  }
  if (const Errno error = take_error(); error != Errno::kSuccess) {
    return refuse(error);
  }
  if (finished_ || broken_ || read_shut_) {
    return 0;
  }
  return refuse(Errno::kAgain);
}

ErrnoResult<std::size_t> EgressStream::write(std::span<const ByteSpan> buffers) {
  if (const Errno error = take_error(); error != Errno::kSuccess) {
    return refuse(error);
  }
  if (write_shut_ || broken_) {
    return refuse(Errno::kPipe);
  }
  std::array<ByteSpan, io::Stream::kWritePiecesMax> pieces;
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (const ByteSpan buffer : buffers) {
    const std::size_t allowed = state_->egress->quota(bytes + buffer.size()) - bytes;
    if (count < pieces.size() && allowed > 0) {
      pieces[count++] = buffer.first(allowed);
      bytes += allowed;
    } else if (!buffer.empty()) {
      break;
    }
  }
  if (count == 0) {
    const bool empty = std::ranges::all_of(buffers, &ByteSpan::empty);
    return empty ? ErrnoResult<std::size_t>(0) : refuse(Errno::kDquot);
  }
  const io::Attempt attempt = stream_->try_write(std::span(pieces).first(count));
  if (!attempt) {
    fail(Errno::kSuccess);
    return refuse(attempt.error().kind() == ErrorKind::kTimeout ? Errno::kTimedout : Errno::kPipe);
  }
  if (!*attempt) {
    events_->writable.reset();
    stream_->writable().call_when_set(can_send_);
    return refuse(Errno::kAgain);
  }
  state_->egress->count_bytes(**attempt);
  return **attempt;
}

void EgressStream::shutdown_write() noexcept {
  if (!std::exchange(write_shut_, true)) {
    static_cast<void>(stream_->shutdown_write());
    events_->writable.set();
  }
}

void EgressStream::shutdown_read() noexcept {
  read_shut_ = true;
  events_->readable.set();
}

void EgressStream::reset() noexcept {
  if (stream_ != nullptr) {
    stream_->abort();
  }
}

bool EgressStream::can_read() const noexcept {
  return incoming_.size() > 0 || finished_ || broken_ || read_shut_;
}

void EgressStream::update_readable() noexcept {
  SocketEvents::assign(events_->readable, can_read());
}

// That the peer has closed and not only finished writing shows when writing fails.
bool EgressStream::hung_up() const noexcept {
  return broken_ || ((finished_ || read_shut_) && write_shut_);
}

Readiness EgressStream::read_readiness() const noexcept {
  return {.ready = can_read(),
          .hangup = hung_up(),
          .ended = finished_ || broken_ || read_shut_,
          .error = error_ != Errno::kSuccess,
          .bytes = incoming_.size()};
}

Readiness EgressStream::write_readiness() const noexcept {
  return {.ready = events_->writable.is_set(), .hangup = hung_up()};
}

void EgressStream::set_options(const SocketOptions& options) noexcept {
  buffer_bytes_max_ = static_cast<std::size_t>(options.receive_buffer_bytes);
  stream_options_ = {.no_delay = options.no_delay,
                     .keep_alive = options.keep_alive,
                     .time_to_live = static_cast<std::uint8_t>(options.time_to_live)};
  if (stream_ != nullptr) {
    stream_->set_options(stream_options_);
    state_->reactor.schedule(receive_);
  }
}

Errno EgressStream::take_error() noexcept { return std::exchange(error_, Errno::kSuccess); }

// A guest does not learn the addresses of its host.
io::SocketAddress EgressStream::local_address() const {
  const io::IpAddress any = peer_.ip().is_v6() ? io::IpAddress::any_v6() : io::IpAddress::any_v4();
  return {any, stream_ == nullptr ? std::uint16_t{0} : stream_->local_address().port()};
}

}  // namespace selvedge::wasix::internal
