#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>

#include "base/unique_fd.h"
#include "io/datagram_socket.h"
#include "io/internal/kernel_address.h"
#include "io/kernel_reactor.h"

namespace selvedge::io::internal {

// A UDP socket over recvmmsg(2) and sendmmsg(2).
class KernelDatagramSocket final : public DatagramSocket, private KernelReactor::Source {
 public:
  // Pending errors of the socket (from ICMP) that one call skips.
  static constexpr int kSkippedMax = 16;

  // `fd` is bound and non-blocking. `of_family`: any address of its family.
  static Result<std::unique_ptr<DatagramSocket>> create(KernelReactor& reactor, base::UniqueFd fd,
                                                        const IpAddress& of_family);
  ~KernelDatagramSocket() override;

  Attempt try_receive(std::span<ReceivedDatagram> slots) override;
  Attempt try_send(std::span<const OutgoingDatagram> datagrams) override;
  std::optional<SocketAddress> take_refused_peer() override;
  void set_time_to_live(std::uint8_t hops) noexcept override;
  Event& readable() noexcept override { return readable_; }
  Event& writable() noexcept override { return writable_; }
  void close() noexcept override;
  SocketAddress local_address() const override;

 private:
  // What one system call reads and writes. On the heap: one for each socket, not one for each call.
  struct Batch {
    std::array<mmsghdr, kBatchMax> messages;
    std::array<iovec, kBatchMax> vectors;
    std::array<KernelAddress, kBatchMax> addresses;
  };
  struct Private {
    explicit Private() = default;
  };

 public:
  // For create().
  KernelDatagramSocket(Private, KernelReactor& reactor, base::UniqueFd fd,
                       const IpAddress& of_family);

 private:
  void on_kernel_events(std::uint32_t events) noexcept override;
  void release_descriptor() noexcept;

  KernelReactor& reactor_;
  base::UniqueFd fd_;
  IpAddress of_family_;
  std::unique_ptr<Batch> batch_;
  Event readable_;
  Event writable_;
};

}  // namespace selvedge::io::internal
