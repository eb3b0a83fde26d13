#include "wasix/internal/stream_socket.h"

#include <algorithm>
#include <utility>

#include "wasix/internal/loopback_address.h"
#include "wasix/loopback_network.h"

namespace selvedge::wasix::internal {

StreamSocket::StreamSocket(std::shared_ptr<LoopbackState> state, SocketSlot slot,
                           AddressFamily family)
    : Socket(family, SockType::kStream, std::make_shared<SocketEvents>(state->reactor)),
      state_(std::move(state)),
      slot_(std::move(slot)) {
  // Attempts fail at once, so none needs to wait.
  events()->readable.set();
  events()->writable.set();
}

StreamSocket::StreamSocket(std::shared_ptr<LoopbackState> state, SocketSlot slot,
                           AddressFamily family, std::unique_ptr<StreamEnd> end)
    : Socket(family, SockType::kStream, end->events()),
      state_(std::move(state)),
      slot_(std::move(slot)),
      end_(std::move(end)) {}

StreamSocket::~StreamSocket() {
  stop_listening();
  if (end_ != nullptr && options().linger == base::Duration::zero()) {
    end_->reset();
  }
}

void StreamSocket::options_changed() {
  if (outside_ != nullptr) {
    outside_->set_options(options());
  } else if (end_ != nullptr) {
    end_->set_options(options());
  }
}

void StreamSocket::settle() {
  if (outside_ != nullptr && !outside_->pending()) {
    error_ = outside_->connect_result();
    if (error_ == Errno::kSuccess) {
      end_ = std::move(outside_);
    }
    outside_.reset();
  }
  if (attempt_ == nullptr || attempt_->pending()) {
    return;
  }
  if (auto end = attempt_->take_end()) {
    end_ = *std::move(end);
  } else {
    error_ = end.error();
  }
  attempt_.reset();
}

ErrnoResult<Connection*> StreamSocket::connected() {
  settle();
  if (end_ != nullptr) {
    return end_.get();
  }
  if (connecting()) {
    return refuse(Errno::kAgain);
  }
  const Errno error = std::exchange(error_, Errno::kSuccess);
  return refuse(error != Errno::kSuccess ? error : Errno::kNotconn);
}

Errno StreamSocket::bind(const io::SocketAddress& address) {
  settle();
  if (bound() || end_ != nullptr || connecting()) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(const io::SocketAddress target, to_network(address));
  return target.is_unix() ? bind_unix(target) : bind_ip(target);
}

Errno StreamSocket::bind_ip(const io::SocketAddress& address) {
  if (!address.ip().is_any() && !address.ip().is_loopback()) {
    return Errno::kAddrnotavail;
  }
  SELVEDGE_TRY_ERRNO(binding_,
                     state_->tcp->bind({.ip = address.ip(),
                                        .port = address.port(),
                                        .dual = is_any_v6(address.ip()) && !options().only_v6,
                                        .reuse_address = options().reuse_address,
                                        .reuse_port = options().reuse_port}));
  return Errno::kSuccess;
}

Errno StreamSocket::bind_unix(const io::SocketAddress& address) {
  if (address.path().empty()) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(name_, UnixName::bind(state_, SockType::kStream, address.path()));
  return Errno::kSuccess;
}

Errno StreamSocket::listen(std::uint32_t backlog) {
  settle();
  const std::size_t places = std::clamp<std::size_t>(backlog, 1, LoopbackNetwork::kBacklogMax);
  if (queue_ != nullptr) {
    queue_->set_backlog(places);
    return Errno::kSuccess;
  }
  if (end_ != nullptr || connecting()) {
    return Errno::kInval;
  }
  if (family() == AddressFamily::kUnix) {
    if (name_ == nullptr) {
      return Errno::kInval;
    }
  } else {
    if (binding_ == nullptr) {
      if (const Errno error = bind_ip(unbound_address()); error != Errno::kSuccess) {
        return error;
      }
    }
    if (binding_->listener_conflicts()) {
      return Errno::kAddrinuse;
    }
  }
  queue_ = std::make_unique<ListenQueue>(state_, events(), BufferSizes::of(options()), places);
  if (name_ != nullptr) {
    name_->listener = queue_.get();
  } else {
    binding_->listener = queue_.get();
    state_->listener_began();
  }
  return Errno::kSuccess;
}

void StreamSocket::stop_listening() noexcept {
  if (queue_ == nullptr) {
    return;
  }
  if (name_ != nullptr) {
    name_->listener = nullptr;
  } else {
    binding_->listener = nullptr;
    state_->listener_ended();
  }
  queue_.reset();
  events()->readable.set();
  events()->writable.set();
}

ErrnoResult<std::shared_ptr<Socket>> StreamSocket::try_accept() {
  if (queue_ == nullptr) {
    return refuse(Errno::kInval);
  }
  std::unique_ptr<StreamEnd> end = queue_->accept();
  if (end == nullptr) {
    return refuse(Errno::kAgain);
  }
  SocketSlot slot = *std::exchange(end->slot, std::nullopt);
  auto accepted = std::make_shared<StreamSocket>(state_, std::move(slot), family(), std::move(end));
  accepted->set_options(options());
  return accepted;
}

// Where `target` leads; on the way it becomes an address that can be reached.
ErrnoResult<ListenQueue*> StreamSocket::find_listener(io::SocketAddress& target) {
  ListenQueue* listener = nullptr;
  if (target.is_unix()) {
    SELVEDGE_TRY_ERRNO(const UnixName* const name,
                       UnixName::find(*state_, SockType::kStream, target.path()));
    listener = name->listener;
    target = name->address();
  } else {
    target = reachable(target);
    if (!target.ip().is_loopback()) {
      return refuse(Errno::kAcces);
    }
    listener = state_->tcp->find_listener(target.ip(), target.port());
  }
  if (listener == nullptr) {
    return refuse(Errno::kConnrefused);
  }
  return listener;
}

Errno StreamSocket::connect(const io::SocketAddress& address) {
  settle();
  if (queue_ != nullptr || end_ != nullptr) {
    return Errno::kIsconn;
  }
  if (connecting()) {
    return Errno::kAlready;
  }
  if (const Errno error = std::exchange(error_, Errno::kSuccess); error != Errno::kSuccess) {
    return error;
  }
  SELVEDGE_TRY_ERRNO(io::SocketAddress target, to_network(address));
  return state_->leads_out(target) ? connect_outside(target) : connect_inside(std::move(target));
}

Errno StreamSocket::connect_inside(io::SocketAddress target) {
  SELVEDGE_TRY_ERRNO(ListenQueue* const listener, find_listener(target));
  io::SocketAddress local = unbound_address();
  if (target.is_unix()) {
    if (name_ != nullptr) {
      local = name_->address();
    }
  } else {
    if (binding_ == nullptr) {
      SELVEDGE_TRY_ERRNO(binding_, state_->tcp->bind({.ip = loopback_like(target.ip())}));
    }
    local = source_address(*binding_, target.ip());
  }
  attempt_ =
      std::make_unique<ConnectAttempt>(ConnectAttempt::Options{.state = state_,
                                                               .events = events(),
                                                               .sizes = BufferSizes::of(options()),
                                                               .local = std::move(local),
                                                               .target = std::move(target)});
  events()->readable.reset();
  events()->writable.reset();
  listener->connect(*attempt_);
  settle();
  if (attempt_ != nullptr) {
    return Errno::kInprogress;
  }
  return std::exchange(error_, Errno::kSuccess);
}

// A socket that is bound to an address of `lo` cannot leave it, as on Linux.
Errno StreamSocket::connect_outside(const io::SocketAddress& target) {
  if (binding_ != nullptr && !binding_->ip().is_any()) {
    return Errno::kInval;
  }
  if (const Errno denied = state_->egress->check(target); denied != Errno::kSuccess) {
    return denied;
  }
  SELVEDGE_TRY_ERRNO(EgressNetwork::Slot slot, state_->egress->take_slot());
  events()->readable.reset();
  events()->writable.reset();
  outside_ = std::make_unique<EgressStream>(state_, events(), std::move(slot), options());
  outside_->connect(target);
  return Errno::kInprogress;
}

Errno StreamSocket::finish_connect() {
  const ErrnoResult<Connection*> end = connected();
  return end ? Errno::kSuccess : end.error();
}

void StreamSocket::cancel_connect() noexcept {
  const bool inside = attempt_ != nullptr && attempt_->pending();
  if (inside || (outside_ != nullptr && outside_->pending())) {
    attempt_.reset();
    outside_.reset();
    events()->readable.set();
    events()->writable.set();
  }
}

ErrnoResult<Received> StreamSocket::try_receive(std::span<const MutableByteSpan> buffers,
                                                ReceiveOptions options) {
  SELVEDGE_TRY_ERRNO(Connection* const end, connected());
  SELVEDGE_TRY_ERRNO(const std::size_t count, end->read(buffers, options.peek));
  return Received{.count = count, .length = count, .from = to_guest(end->peer_address())};
}

ErrnoResult<std::size_t> StreamSocket::try_send(std::span<const ByteSpan> buffers,
                                                const io::SocketAddress* /*destination*/) {
  const ErrnoResult<Connection*> end = connected();
  if (!end) {
    // As on Linux, where only unix sockets tell that they never had a peer.
    const bool pipe = end.error() == Errno::kNotconn && family() != AddressFamily::kUnix;
    return refuse(pipe ? Errno::kPipe : end.error());
  }
  return (*end)->write(buffers);
}

// A listening socket stops listening, as on Linux.
Errno StreamSocket::shutdown(Sdflags directions) {
  if (queue_ != nullptr) {
    if (has_any(directions, Sdflags::kRd)) {
      stop_listening();
    }
    return Errno::kSuccess;
  }
  settle();
  if (end_ == nullptr) {
    return Errno::kNotconn;
  }
  if (has_any(directions, Sdflags::kRd)) {
    end_->shutdown_read();
  }
  if (has_any(directions, Sdflags::kWr)) {
    end_->shutdown_write();
  }
  return Errno::kSuccess;
}

io::SocketAddress StreamSocket::local_address() const {
  if (end_ != nullptr) {
    return to_guest(end_->local_address());
  }
  if (name_ != nullptr) {
    return name_->address();
  }
  return binding_ != nullptr ? to_guest(binding_->address()) : unbound_address();
}

ErrnoResult<io::SocketAddress> StreamSocket::peer_address() const {
  if (end_ == nullptr) {
    return refuse(Errno::kNotconn);
  }
  return to_guest(end_->peer_address());
}

SockStatus StreamSocket::status() {
  settle();
  if (end_ != nullptr) {
    if (end_->was_reset()) {
      return SockStatus::kFailed;
    }
    return end_->peer_closed() ? SockStatus::kClosed : SockStatus::kOpened;
  }
  if (error_ != Errno::kSuccess) {
    return SockStatus::kFailed;
  }
  return queue_ != nullptr ? SockStatus::kOpened : SockStatus::kOpening;
}

Errno StreamSocket::take_error() {
  settle();
  if (end_ != nullptr) {
    return end_->take_error();
  }
  return std::exchange(error_, Errno::kSuccess);
}

Readiness StreamSocket::read_readiness() {
  settle();
  if (end_ != nullptr) {
    return end_->read_readiness();
  }
  if (queue_ != nullptr) {
    return {.ready = queue_->can_accept()};
  }
  const bool failed = error_ != Errno::kSuccess;
  return {.ready = failed, .hangup = !connecting(), .ended = failed, .error = failed};
}

Readiness StreamSocket::write_readiness() {
  settle();
  if (end_ != nullptr) {
    return end_->write_readiness();
  }
  const bool idle = queue_ == nullptr && !connecting();
  return {.ready = idle, .hangup = idle};
}

}  // namespace selvedge::wasix::internal
