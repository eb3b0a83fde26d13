#include "wasix/internal/datagram_socket.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "wasix/internal/loopback_address.h"
#include "wasix/loopback_network.h"

namespace selvedge::wasix::internal {

namespace {

std::size_t total_of(std::span<const ByteSpan> buffers) noexcept {
  std::size_t total = 0;
  for (const ByteSpan buffer : buffers) {
    total += buffer.size();
  }
  return total;
}

std::vector<std::byte> joined(std::span<const ByteSpan> buffers) {
  std::vector<std::byte> bytes;
  bytes.reserve(total_of(buffers));
  for (const ByteSpan buffer : buffers) {
    bytes.insert(bytes.end(), buffer.begin(), buffer.end());
  }
  return bytes;
}

std::size_t scatter(const std::vector<std::byte>& bytes,
                    std::span<const MutableByteSpan> buffers) noexcept {
  std::size_t done = 0;
  for (const MutableByteSpan buffer : buffers) {
    const std::size_t count = std::min(buffer.size(), bytes.size() - done);
    if (count > 0) {
      std::memcpy(buffer.data(), bytes.data() + done, count);
      done += count;
    }
  }
  return done;
}

}  // namespace

DatagramSocket::DatagramSocket(std::shared_ptr<LoopbackState> state, SocketSlot slot,
                               AddressFamily family)
    : Socket(family, SockType::kDgram, std::make_shared<SocketEvents>(state->reactor)),
      state_(std::move(state)),
      slot_(std::move(slot)) {
  events()->writable.set();
}

DatagramSocket::~DatagramSocket() {
  if (pair_ != nullptr) {
    pair_->pair_ = nullptr;
  }
  for (const Datagram& datagram : queue_) {
    state_->budget.give_back(datagram.bytes.size() + kDatagramOverheadBytes);
  }
  wake_senders();
}

void DatagramSocket::join(DatagramSocket& one, DatagramSocket& other) noexcept {
  one.pair_ = &other;
  other.pair_ = &one;
  one.was_paired_ = true;
  other.was_paired_ = true;
}

Errno DatagramSocket::bind(const io::SocketAddress& address) {
  if (binding_ != nullptr || name_ != nullptr) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(const io::SocketAddress target, to_network(address));
  if (!target.is_unix()) {
    return bind_ip(target);
  }
  if (target.path().empty()) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(name_, UnixName::bind(state_, SockType::kDgram, target.path()));
  name_->datagrams = this;
  return Errno::kSuccess;
}

Errno DatagramSocket::bind_ip(const io::SocketAddress& address) {
  const io::IpAddress& ip = address.ip();
  if (!ip.is_any() && !ip.is_loopback() && !is_multicast(ip)) {
    return Errno::kAddrnotavail;
  }
  SELVEDGE_TRY_ERRNO(binding_, state_->udp->bind({.ip = ip,
                                                  .port = address.port(),
                                                  .dual = is_any_v6(ip) && !options().only_v6,
                                                  .reuse_address = options().reuse_address,
                                                  .reuse_port = options().reuse_port}));
  binding_->datagrams = this;
  return Errno::kSuccess;
}

ErrnoResult<Received> DatagramSocket::try_receive(std::span<const MutableByteSpan> buffers,
                                                  ReceiveOptions options) {
  if (const Errno error = take_error(); error != Errno::kSuccess) {
    return refuse(error);
  }
  if (queue_.empty()) {
    if (read_shut_) {
      return Received{.from = unbound_address()};
    }
    return refuse(Errno::kAgain);
  }
  const Datagram& first = queue_.front();
  Received received{.count = scatter(first.bytes, buffers),
                    .length = first.bytes.size(),
                    .from = to_guest(first.from)};
  if (!options.peek) {
    const std::size_t bytes = first.bytes.size() + kDatagramOverheadBytes;
    queued_bytes_ -= bytes;
    state_->budget.give_back(bytes);
    queue_.pop_front();
    wake_senders();
    update();
  }
  return received;
}

ErrnoResult<std::size_t> DatagramSocket::try_send(std::span<const ByteSpan> buffers,
                                                  const io::SocketAddress* destination) {
  if (const Errno error = take_error(); error != Errno::kSuccess) {
    return refuse(error);
  }
  if (write_shut_) {
    return refuse(Errno::kPipe);
  }
  const std::size_t count = total_of(buffers);
  if (count > LoopbackNetwork::kDatagramBytesMax) {
    return refuse(Errno::kMsgsize);
  }
  std::optional<io::SocketAddress> target = peer_;
  if (destination != nullptr) {
    SELVEDGE_TRY_ERRNO(target, to_network(*destination));
  }
  Errno error = Errno::kSuccess;
  if (family() == AddressFamily::kUnix) {
    error = send_unix(target ? &*target : nullptr, joined(buffers));
    // Where it is connected to there was a socket.
    error = destination == nullptr && error == Errno::kNoent ? Errno::kConnrefused : error;
  } else {
    error = target ? send_ip(reachable(*target), joined(buffers)) : Errno::kDestaddrreq;
  }
  if (error != Errno::kSuccess) {
    return refuse(error);
  }
  return count;
}

Errno DatagramSocket::send_ip(const io::SocketAddress& to, std::vector<std::byte> bytes) {
  if (state_->leads_out(to)) {
    return send_outside(to, bytes);
  }
  const bool multicast = is_multicast(to.ip());
  if (!multicast && !to.ip().is_loopback()) {
    return Errno::kAcces;
  }
  if (to.port() == 0) {
    return Errno::kInval;
  }
  if (binding_ == nullptr) {
    if (const Errno error = bind_ip(unbound_address()); error != Errno::kSuccess) {
      return error;
    }
  }
  const io::SocketAddress from = source_address(*binding_, to.ip());
  if (multicast) {
    send_multicast(from, to, bytes);
    return Errno::kSuccess;
  }
  if (DatagramSocket* const receiver = find_receiver(from, to)) {
    static_cast<void>(receiver->deliver(from, std::move(bytes)));
  } else {
    refused(to);
  }
  return Errno::kSuccess;
}

void DatagramSocket::send_multicast(const io::SocketAddress& from, const io::SocketAddress& to,
                                    const std::vector<std::byte>& bytes) {
  if (!(to.ip().is_v6() ? options().multicast_loop_v6 : options().multicast_loop_v4)) {
    return;
  }
  for (const PortBinding* const binding : state_->udp->at(to.port())) {
    DatagramSocket* const receiver = binding->datagrams;
    if (receiver != nullptr && binding->covers(to.ip()) && receiver->takes_from(from) &&
        std::ranges::find(receiver->groups_, to.ip()) != receiver->groups_.end()) {
      static_cast<void>(receiver->deliver(from, bytes));
    }
  }
}

bool DatagramSocket::takes_from(const io::SocketAddress& from) const noexcept {
  return !peer_ || is_multicast(peer_->ip()) || *peer_ == from;
}

// A connected socket comes before others, one bound to just that address before one bound to any,
// and the latest before the older ones.
DatagramSocket* DatagramSocket::find_receiver(const io::SocketAddress& from,
                                              const io::SocketAddress& to) const {
  DatagramSocket* best = nullptr;
  int best_score = -1;
  for (const PortBinding* const binding : state_->udp->at(to.port())) {
    DatagramSocket* const receiver = binding->datagrams;
    if (receiver == nullptr || !binding->covers(to.ip()) || !receiver->takes_from(from)) {
      continue;
    }
    const int score = (receiver->peer_ ? 2 : 0) + (binding->ip() == to.ip() ? 1 : 0);
    if (score >= best_score) {
      best = receiver;
      best_score = score;
    }
  }
  return best;
}

ErrnoResult<DatagramSocket*> DatagramSocket::find_unix_receiver(const io::SocketAddress* to) const {
  if (to != nullptr) {
    SELVEDGE_TRY_ERRNO(const UnixName* const name,
                       UnixName::find(*state_, SockType::kDgram, to->path()));
    return name->datagrams;
  }
  if (pair_ != nullptr) {
    return pair_;
  }
  return refuse(was_paired_ ? Errno::kConnrefused : Errno::kNotconn);
}

Errno DatagramSocket::send_unix(const io::SocketAddress* to, std::vector<std::byte> bytes) {
  SELVEDGE_TRY_ERRNO(DatagramSocket* const receiver, find_unix_receiver(to));
  const io::SocketAddress from = name_ != nullptr ? name_->address() : unbound_address();
  switch (receiver->deliver(from, std::move(bytes))) {
    case Delivery::kQueued:
      SocketEvents::assign(events()->writable, true);
      return Errno::kSuccess;
    case Delivery::kRefused:
      return Errno::kPipe;
    case Delivery::kNoMemory:
      return Errno::kNobufs;
    case Delivery::kFull:
      break;
  }
  events()->writable.reset();
  // Those that are gone go first: the list is bounded by the sockets that exist.
  std::erase_if(receiver->senders_, [this](const std::weak_ptr<SocketEvents>& sender) {
    return sender.expired() || sender.lock() == events();
  });
  receiver->senders_.push_back(events());
  return Errno::kAgain;
}

// An empty queue takes any datagram, however small its buffer.
bool DatagramSocket::has_room(std::size_t bytes) const noexcept {
  return queue_.empty() || (queue_.size() < LoopbackNetwork::kDatagramsQueuedMax &&
                            queued_bytes_ + bytes <= options().receive_buffer_bytes);
}

DatagramSocket::Delivery DatagramSocket::deliver(const io::SocketAddress& from,
                                                 std::vector<std::byte> bytes) {
  if (read_shut_) {
    return Delivery::kRefused;
  }
  const std::size_t taken = bytes.size() + kDatagramOverheadBytes;
  if (!has_room(taken)) {
    return Delivery::kFull;
  }
  if (!state_->budget.take(taken)) {
    return Delivery::kNoMemory;
  }
  queued_bytes_ += taken;
  queue_.push_back({.from = from, .bytes = std::move(bytes)});
  events()->readable.set();
  return Delivery::kQueued;
}

void DatagramSocket::wake_senders() noexcept {
  for (const std::weak_ptr<SocketEvents>& sender : senders_) {
    if (const std::shared_ptr<SocketEvents> waiting = sender.lock()) {
      waiting->writable.set();
    }
  }
  senders_.clear();
}

Errno DatagramSocket::shutdown(Sdflags directions) {
  if (!peer_ && pair_ == nullptr) {
    return Errno::kNotconn;
  }
  read_shut_ = read_shut_ || has_any(directions, Sdflags::kRd);
  write_shut_ = write_shut_ || has_any(directions, Sdflags::kWr);
  if (read_shut_) {
    wake_senders();
  }
  update();
  return Errno::kSuccess;
}

io::SocketAddress DatagramSocket::local_address() const {
  if (name_ != nullptr) {
    return name_->address();
  }
  if (binding_ == nullptr) {
    return unbound_address();
  }
  // A guest does not learn the addresses of its host.
  const bool inside = peer_ && !state_->leads_out(*peer_);
  return to_guest(inside ? source_address(*binding_, peer_->ip()) : binding_->address());
}

ErrnoResult<io::SocketAddress> DatagramSocket::peer_address() const {
  if (pair_ != nullptr) {
    return unbound_address();
  }
  if (!peer_) {
    return refuse(Errno::kNotconn);
  }
  return to_guest(*peer_);
}

SockStatus DatagramSocket::status() {
  if (read_shut_ && write_shut_) {
    return SockStatus::kClosed;
  }
  return binding_ != nullptr || name_ != nullptr || peer_ || was_paired_ ? SockStatus::kOpened
                                                                         : SockStatus::kOpening;
}

Errno DatagramSocket::take_error() {
  const Errno error = std::exchange(error_, Errno::kSuccess);
  if (error != Errno::kSuccess) {
    update();
  }
  return error;
}

Errno DatagramSocket::join_multicast(const io::IpAddress& group) {
  if (!is_multicast(group)) {
    return Errno::kInval;
  }
  if (std::ranges::find(groups_, group) != groups_.end()) {
    return Errno::kAddrinuse;
  }
  if (groups_.size() >= LoopbackNetwork::kMulticastGroupsMax) {
    return Errno::kNobufs;
  }
  groups_.push_back(group);
  return Errno::kSuccess;
}

Errno DatagramSocket::leave_multicast(const io::IpAddress& group) {
  return std::erase(groups_, group) > 0 ? Errno::kSuccess : Errno::kAddrnotavail;
}

Readiness DatagramSocket::read_readiness() {
  return {.ready = events()->readable.is_set(),
          .hangup = read_shut_ && write_shut_,
          .bytes = queue_.empty() ? 0 : queue_.front().bytes.size()};
}

Readiness DatagramSocket::write_readiness() {
  return {.ready = events()->writable.is_set(), .hangup = write_shut_};
}

void DatagramSocket::update() noexcept {
  SocketEvents::assign(events()->readable,
                       !queue_.empty() || read_shut_ || error_ != Errno::kSuccess);
}

}  // namespace selvedge::wasix::internal
