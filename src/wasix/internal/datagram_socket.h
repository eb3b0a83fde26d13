#pragma once

// UDP and unix datagram sockets.
//
// A datagram lies in its receiver's queue. What finds the queue full is dropped when it is UDP; a
// sender to a unix socket waits instead, as on Linux. What goes outside goes through sockets of the
// host; answers come into the same queue.

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "wasix/internal/egress_datagrams.h"
#include "wasix/internal/loopback_state.h"
#include "wasix/internal/socket_events.h"
#include "wasix/socket.h"

namespace selvedge::wasix::internal {

class DatagramSocket final : public Socket {
 public:
  // What a datagram takes of its receiver's buffer besides its bytes.
  static constexpr std::size_t kDatagramOverheadBytes = 256;

  DatagramSocket(std::shared_ptr<LoopbackState> state, SocketSlot slot, AddressFamily family);
  ~DatagramSocket() override;
  // Makes the two unnamed unix sockets send to each other.
  static void join(DatagramSocket& one, DatagramSocket& other) noexcept;

  Errno bind(const io::SocketAddress& address) override;
  Errno connect(const io::SocketAddress& address) override;
  Errno disconnect() override;
  ErrnoResult<Received> try_receive(std::span<const MutableByteSpan> buffers,
                                    ReceiveOptions options) override;
  ErrnoResult<std::size_t> try_send(std::span<const ByteSpan> buffers,
                                    const io::SocketAddress* destination) override;
  Errno shutdown(Sdflags directions) override;
  io::SocketAddress local_address() const override;
  ErrnoResult<io::SocketAddress> peer_address() const override;
  SockStatus status() override;
  Errno take_error() override;
  Errno join_multicast(const io::IpAddress& group) override;
  Errno leave_multicast(const io::IpAddress& group) override;
  Readiness read_readiness() override;
  Readiness write_readiness() override;
  // Those that are told when there is room.
  std::size_t senders_waiting() const noexcept { return senders_.size(); }

 private:
  struct Datagram {
    io::SocketAddress from;
    std::vector<std::byte> bytes;
  };
  enum class Delivery : unsigned char { kQueued, kFull, kNoMemory, kRefused };

  bool has_room(std::size_t bytes) const noexcept;
  Delivery deliver(const io::SocketAddress& from, std::vector<std::byte> bytes);
  Errno bind_ip(const io::SocketAddress& address);
  // Whether it takes datagrams from there: a connected socket only those of its peer.
  bool takes_from(const io::SocketAddress& from) const noexcept;
  DatagramSocket* find_receiver(const io::SocketAddress& from, const io::SocketAddress& to) const;
  Errno send_ip(const io::SocketAddress& to, std::vector<std::byte> bytes);
  // Makes sure that the socket is bound to any address. kInval: it is bound to one of `lo`.
  Errno prepare_outside();
  Errno send_outside(const io::SocketAddress& to, base::ByteSpan bytes);
  // Nobody takes what it sent there, as the ICMP message "port unreachable" says: the next call of
  // a socket that is connected to there reports it.
  void refused(const io::SocketAddress& by);
  void options_changed() override;
  void send_multicast(const io::SocketAddress& from, const io::SocketAddress& to,
                      const std::vector<std::byte>& bytes);
  ErrnoResult<DatagramSocket*> find_unix_receiver(const io::SocketAddress* to) const;
  Errno send_unix(const io::SocketAddress* to, std::vector<std::byte> bytes);
  void wake_senders() noexcept;
  void update() noexcept;

  std::shared_ptr<LoopbackState> state_;
  SocketSlot slot_;
  std::unique_ptr<PortBinding> binding_;
  std::unique_ptr<UnixName> name_;
  std::optional<io::SocketAddress> peer_;
  DatagramSocket* pair_ = nullptr;
  bool was_paired_ = false;
  // Once something was sent outside.
  std::unique_ptr<EgressDatagrams> outside_;
  std::vector<io::IpAddress> groups_;
  std::deque<Datagram> queue_;
  std::size_t queued_bytes_ = 0;
  // Those of unix senders that found the queue full.
  std::vector<std::weak_ptr<SocketEvents>> senders_;
  Errno error_ = Errno::kSuccess;
  bool read_shut_ = false;
  bool write_shut_ = false;
};

}  // namespace selvedge::wasix::internal
