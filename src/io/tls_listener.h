#pragma once

// A listener whose connections are TLS. It hands them out before their handshakes, which go on as
// they are read and written, so a slow one keeps nobody waiting.

#include <memory>
#include <utility>

#include "crypto/tls_context.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/tls_stream.h"

namespace selvedge::io {

class TlsListener final : public Listener {
 public:
  TlsListener(Reactor& reactor [[clang::lifetimebound]], std::unique_ptr<Listener> listener,
              crypto::TlsContext context, TlsOptions options = {}) noexcept
      : reactor_(reactor),
        listener_(std::move(listener)),
        context_(std::move(context)),
        options_(std::move(options)) {}

  // For connections from now on.
  void set_context(crypto::TlsContext context) noexcept { context_ = std::move(context); }

  Result<std::unique_ptr<Stream>> try_accept() override;
  Event& acceptable() noexcept override { return listener_->acceptable(); }
  void close() noexcept override { listener_->close(); }
  void finish() noexcept override { listener_->finish(); }
  SocketAddress local_address() const override { return listener_->local_address(); }
  std::uint64_t shed_count() const noexcept override { return listener_->shed_count(); }

 private:
  Reactor& reactor_;
  std::unique_ptr<Listener> listener_;
  crypto::TlsContext context_;
  TlsOptions options_;
};

}  // namespace selvedge::io
