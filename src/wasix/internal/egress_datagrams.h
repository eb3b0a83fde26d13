#pragma once

// The host's sockets behind a guest's UDP socket: one for each family that it has sent to. Their
// port is the kernel's choice, as behind a NAT, and only those to whom the guest has sent reach it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "io/datagram_socket.h"
#include "io/event.h"
#include "wasix/egress_network.h"
#include "wasix/internal/loopback_state.h"
#include "wasix/internal/socket_events.h"

namespace selvedge::wasix::internal {

class EgressDatagrams {
 public:
  // The latest addresses that were sent to: answers of others are dropped.
  static constexpr std::size_t kPeersMax = 64;

  using Arrived = std::move_only_function<void(const io::SocketAddress& from, base::ByteSpan)>;
  // Nobody takes what was sent to `by`.
  using Refused = std::move_only_function<void(const io::SocketAddress& by)>;

  // `state`: of a network with a way out. `events`: of the guest's socket; writable is set when
  // sending is worth an attempt again.
  EgressDatagrams(std::shared_ptr<LoopbackState> state, std::shared_ptr<SocketEvents> events,
                  Arrived arrived, Refused refused);
  EgressDatagrams(const EgressDatagrams&) = delete;
  EgressDatagrams& operator=(const EgressDatagrams&) = delete;

  // kAgain: wait for writable. kAcces: the policy does not allow it; kNfile, kNobufs: no socket
  // left; kMsgsize; kDquot; kHostunreach.
  Errno send(const io::SocketAddress& to, base::ByteSpan bytes);
  // Of what is sent from now on.
  void set_time_to_live(std::uint8_t hops) noexcept;

 private:
  // Reports of refusal that are taken before the loop turns.
  static constexpr int kRefusalsPerTurn = 16;

  // A socket of the host, and the work that waits for it.
  class HostSocket {
   public:
    HostSocket(EgressDatagrams& owner, EgressNetwork::Slot slot,
               std::unique_ptr<io::DatagramSocket> socket);
    Errno send(const io::SocketAddress& to, base::ByteSpan bytes);
    void receive();
    void set_time_to_live(std::uint8_t hops) noexcept { socket_->set_time_to_live(hops); }

   private:
    class Wake final : public io::QueuedWork {
     public:
      Wake(HostSocket& owner, Callback callback) noexcept : QueuedWork(callback), socket(owner) {}
      HostSocket& socket;
    };

    EgressDatagrams& owner_;
    EgressNetwork::Slot slot_;
    std::unique_ptr<io::DatagramSocket> socket_;
    Wake receive_;
    Wake can_send_;
  };

  ErrnoResult<HostSocket*> socket_for(const io::IpAddress& ip);
  void remember(const io::SocketAddress& peer);
  bool knows(const io::SocketAddress& peer) const noexcept;

  std::shared_ptr<LoopbackState> state_;
  std::shared_ptr<SocketEvents> events_;
  Arrived arrived_;
  Refused refused_;
  std::uint8_t hops_;
  std::deque<io::SocketAddress> peers_;
  // One datagram on its way into the guest's queue.
  std::unique_ptr<std::byte[]> buffer_;
  std::unique_ptr<HostSocket> v4_;
  std::unique_ptr<HostSocket> v6_;
};

}  // namespace selvedge::wasix::internal
