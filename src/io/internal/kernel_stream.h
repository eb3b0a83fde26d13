#pragma once

#include "base/unique_fd.h"
#include "io/kernel_reactor.h"
#include "io/stream.h"

namespace selvedge::io::internal {

// A connected stream socket, non-blocking.
//
// The kernel is asked as little as possible. The socket is registered with the reactor only when an
// attempt first had to wait, once, edge-triggered. A read that did not fill the buffer has emptied
// the socket, so readable() is reset without the extra call that would say so; except after a
// hang-up, which brings no further edge. An end that arrives after such a read does bring one.
class KernelStream final : public Stream, private KernelReactor::Source {
 public:
  enum class State {
    kConnected,   // reading and writing are worth an attempt
    kConnecting,  // connect(2) is in progress: wait for writable(), then finish_connect()
  };
  KernelStream(KernelReactor& reactor, base::UniqueFd fd, SocketAddress peer, State state) noexcept;
  ~KernelStream() override;

  Attempt try_read(MutableByteSpan buffer) override;
  Attempt try_write(std::span<const ByteSpan> pieces) override;
  Event& readable() noexcept override { return readable_; }
  Event& writable() noexcept override { return writable_; }
  Result<> shutdown_write() override;
  void close() noexcept override;
  void abort() noexcept override;
  void set_options(const StreamOptions& options) noexcept override;
  SocketAddress local_address() const override;
  SocketAddress peer_address() const override { return peer_; }
  std::optional<UnixPeer> unix_peer() const override;
  bool hung_up() const noexcept override { return hung_up_; }

  // Registers with the reactor, unless that is done. Attempts do it themselves.
  Result<> watch();
  // The outcome of connect(2), once writable() was set.
  Result<> finish_connect();

 private:
  void on_kernel_events(std::uint32_t events) noexcept override;
  void release_descriptor() noexcept;
  Attempt would_block(Event& event);

  KernelReactor& reactor_;
  base::UniqueFd fd_;
  bool watched_ = false;
  bool read_ended_ = false;
  bool hung_up_ = false;
  bool write_shut_down_ = false;
  Event readable_;
  Event writable_;
  SocketAddress peer_;
};

// getsockname(2).
SocketAddress local_address_of(int fd);

}  // namespace selvedge::io::internal
