#pragma once

// The host's end of a connection to a guest, as any other stream.

#include <memory>

#include "io/stream.h"
#include "wasix/internal/loopback_state.h"
#include "wasix/internal/stream_end.h"

namespace selvedge::wasix::internal {

class LoopbackStream final : public io::Stream {
 public:
  // `binding`: the local port; nullptr for unix sockets.
  LoopbackStream(std::unique_ptr<StreamEnd> end, SocketSlot slot,
                 std::unique_ptr<PortBinding> binding) noexcept;

  io::Attempt try_read(MutableByteSpan buffer) override;
  io::Attempt try_write(std::span<const ByteSpan> pieces) override;
  io::Event& readable() noexcept override { return end_->events()->readable; }
  io::Event& writable() noexcept override { return end_->events()->writable; }
  Result<> shutdown_write() override;
  void close() noexcept override;
  void abort() noexcept override;
  io::SocketAddress local_address() const override { return end_->local_address(); }
  io::SocketAddress peer_address() const override { return end_->peer_address(); }

 private:
  SocketSlot slot_;
  std::unique_ptr<PortBinding> binding_;
  std::unique_ptr<StreamEnd> end_;
  bool closed_ = false;
};

}  // namespace selvedge::wasix::internal
