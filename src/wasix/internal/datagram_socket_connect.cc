// Where a datagram socket is connected to, and what leaves `lo`.

#include <utility>

#include "wasix/internal/datagram_socket.h"
#include "wasix/internal/loopback_address.h"

namespace selvedge::wasix::internal {

Errno DatagramSocket::connect(const io::SocketAddress& address) {
  SELVEDGE_TRY_ERRNO(io::SocketAddress target, to_network(address));
  if (target.is_unix()) {
    SELVEDGE_TRY_ERRNO(const UnixName* const name,
                       UnixName::find(*state_, SockType::kDgram, target.path()));
    static_cast<void>(name);
  } else if (state_->leads_out(target)) {
    if (const Errno error = prepare_outside(); error != Errno::kSuccess) {
      return error;
    }
    if (const Errno denied = state_->egress->check(target); denied != Errno::kSuccess) {
      return denied;
    }
  } else {
    target = reachable(target);
    if (!target.ip().is_loopback() && !is_multicast(target.ip())) {
      return Errno::kAcces;
    }
    if (binding_ == nullptr) {
      if (const Errno error = bind_ip({loopback_like(target.ip()), 0}); error != Errno::kSuccess) {
        return error;
      }
    }
  }
  peer_ = std::move(target);
  return Errno::kSuccess;
}

Errno DatagramSocket::disconnect() {
  peer_.reset();
  return Errno::kSuccess;
}

Errno DatagramSocket::prepare_outside() {
  if (binding_ == nullptr) {
    return bind_ip(unbound_address());
  }
  return binding_->ip().is_any() ? Errno::kSuccess : Errno::kInval;
}

void DatagramSocket::refused(const io::SocketAddress& by) {
  if (peer_ == by) {
    error_ = Errno::kConnrefused;
    events()->readable.set();
  }
}

void DatagramSocket::options_changed() {
  if (outside_ != nullptr) {
    outside_->set_time_to_live(static_cast<std::uint8_t>(options().time_to_live));
  }
}

Errno DatagramSocket::send_outside(const io::SocketAddress& to, base::ByteSpan bytes) {
  if (const Errno error = prepare_outside(); error != Errno::kSuccess) {
    return error;
  }
  if (outside_ == nullptr) {
    outside_ = std::make_unique<EgressDatagrams>(
        state_, events(),
        [this](const io::SocketAddress& from, base::ByteSpan arrived) {
          if (takes_from(from)) {
            static_cast<void>(deliver(from, {arrived.begin(), arrived.end()}));
          }
        },
        [this](const io::SocketAddress& by) { refused(by); });
    outside_->set_time_to_live(static_cast<std::uint8_t>(options().time_to_live));
  }
  return outside_->send(to, bytes);
}

}  // namespace selvedge::wasix::internal
