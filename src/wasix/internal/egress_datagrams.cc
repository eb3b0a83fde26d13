#include "wasix/internal/egress_datagrams.h"

#include <algorithm>
#include <span>
#include <utility>

#include "wasix/internal/egress_errno.h"
#include "wasix/socket.h"

namespace selvedge::wasix::internal {

EgressDatagrams::EgressDatagrams(std::shared_ptr<LoopbackState> state,
                                 std::shared_ptr<SocketEvents> events, Arrived arrived,
                                 Refused refused)
    : state_(std::move(state)),
      events_(std::move(events)),
      arrived_(std::move(arrived)),
      refused_(std::move(refused)),
      hops_(static_cast<std::uint8_t>(SocketOptions{}.time_to_live)),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(io::DatagramSocket::kPayloadBytesMax)) {}

Errno EgressDatagrams::send(const io::SocketAddress& to, base::ByteSpan bytes) {
  EgressNetwork& egress = *state_->egress;
  if (const Errno denied = egress.check(to); denied != Errno::kSuccess) {
    return denied;
  }
  if (egress.quota(bytes.size()) < bytes.size()) {
    return Errno::kDquot;
  }
  SELVEDGE_TRY_ERRNO(HostSocket* const socket, socket_for(to.ip()));
  // Before it is sent: the answer may be quick.
  remember(to);
  const Errno result = socket->send(to, bytes);
  if (result == Errno::kSuccess) {
    egress.count_bytes(bytes.size());
  }
  return result;
}

ErrnoResult<EgressDatagrams::HostSocket*> EgressDatagrams::socket_for(const io::IpAddress& ip) {
  std::unique_ptr<HostSocket>& socket = ip.is_v6() ? v6_ : v4_;
  if (socket == nullptr) {
    SELVEDGE_TRY_ERRNO(EgressNetwork::Slot slot, state_->egress->take_slot());
    const io::IpAddress any = ip.is_v6() ? io::IpAddress::any_v6() : io::IpAddress::any_v4();
    auto bound = state_->egress->network().bind_datagram({any, 0}, {.report_refusals = true});
    if (!bound) {
      return refuse(send_errno(bound.error().kind()));
    }
    socket = std::make_unique<HostSocket>(*this, std::move(slot), *std::move(bound));
    socket->set_time_to_live(hops_);
  }
  return socket.get();
}

void EgressDatagrams::set_time_to_live(std::uint8_t hops) noexcept {
  hops_ = hops;
  for (const std::unique_ptr<HostSocket>* const socket : {&v4_, &v6_}) {
    if (*socket != nullptr) {
      (*socket)->set_time_to_live(hops);
    }
  }
}

void EgressDatagrams::remember(const io::SocketAddress& peer) {
  std::erase(peers_, peer);
  if (peers_.size() >= kPeersMax) {
    peers_.pop_front();
  }
  peers_.push_back(peer);
}

bool EgressDatagrams::knows(const io::SocketAddress& peer) const noexcept {
  return std::ranges::find(peers_, peer) != peers_.end();
}

EgressDatagrams::HostSocket::HostSocket(EgressDatagrams& owner, EgressNetwork::Slot slot,
                                        std::unique_ptr<io::DatagramSocket> socket)
    : owner_(owner),
      slot_(std::move(slot)),
      socket_(std::move(socket)),
      receive_(*this,
               [](io::QueuedWork& work) noexcept { static_cast<Wake&>(work).socket.receive(); }),
      can_send_(*this, [](io::QueuedWork& work) noexcept {
        static_cast<Wake&>(work).socket.owner_.events_->writable.set();
      }) {
  socket_->readable().call_when_set(receive_);
}

Errno EgressDatagrams::HostSocket::send(const io::SocketAddress& to, base::ByteSpan bytes) {
  const io::OutgoingDatagram datagram{.payload = bytes, .peer = to};
  const io::Attempt attempt = socket_->try_send(std::span(&datagram, 1));
  if (!attempt) {
    return send_errno(attempt.error().kind());
  }
  if (!*attempt) {
    owner_.events_->writable.reset();
    socket_->writable().call_when_set(can_send_);
    return Errno::kAgain;
  }
  SocketEvents::assign(owner_.events_->writable, true);
  return Errno::kSuccess;
}

// Who reports a refusal knows what was sent, or guesses: it is believed of those that were sent to.
// One datagram a time: the loop turns when the socket has used its operations up.
void EgressDatagrams::HostSocket::receive() {
  EgressNetwork& egress = *owner_.state_->egress;
  for (int count = 0; const std::optional<io::SocketAddress> peer = socket_->take_refused_peer();) {
    if (owner_.knows(*peer)) {
      owner_.refused_(*peer);
    }
    if (++count == kRefusalsPerTurn) {
      owner_.state_->reactor.schedule(receive_);
      return;
    }
  }
  for (;;) {
    io::ReceivedDatagram datagram{
        .buffer = std::span(owner_.buffer_.get(), io::DatagramSocket::kPayloadBytesMax)};
    const io::Attempt attempt = socket_->try_receive(std::span(&datagram, 1));
    if (!attempt) {
      return;  // the host's socket has failed: nothing arrives any more
    }
    if (!*attempt) {
      socket_->readable().call_when_set(receive_);
      return;
    }
    if (owner_.knows(datagram.peer) && egress.quota(datagram.size) == datagram.size) {
      egress.count_bytes(datagram.size);
      owner_.arrived_(datagram.peer, datagram.buffer.first(datagram.size));
    }
  }
}

}  // namespace selvedge::wasix::internal
