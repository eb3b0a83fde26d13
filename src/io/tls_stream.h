#pragma once

// TLS over any stream. The server's side, and the client's:
//
//   auto stream = TlsStream::create(reactor, std::move(connection), context);
//   SELVEDGE_CO_TRY_VOID(co_await stream->handshake());     // or just read and write
//
// What is bounded: the handshake in time; encrypted bytes that wait for the peer by one record and
// what the protocol itself answers; nothing is read while that waits. A record that the peer has
// not sent whole is kept by OpenSSL, which gives its memory back between records.

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "crypto/tls_context.h"
#include "crypto/tls_session.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/timer_wheel.h"

namespace selvedge::io {

struct TlsOptions {
  base::Duration handshake_time_max = std::chrono::seconds(10);
  // What a client that speaks HTTP without TLS gets, in plain text, before the end; empty: an alert
  // of TLS.
  std::string plain_http_answer = {};
};

// Streams' rules hold, and these:
// - A write that was not taken (nullopt) may be on its way in part: its bytes come first in the
//   next write, as with write_all().
// - The end of the stream (0) is one that the peer has told; a connection that merely ends is
//   kDisconnected, since anybody between the two could have cut it.
// - close() tells the peer the end when everything written has left; abort() never does.
class TlsStream final : public Stream, private crypto::TlsTransport {
 public:
  // Encrypted bytes that wait for the peer beyond this stop reading; beyond twice as many the
  // connection breaks.
  static constexpr std::size_t kUnsentBytesMax = std::size_t{64} << 10;

  // The time for the handshake begins now.
  static std::unique_ptr<TlsStream> create(Reactor& reactor [[clang::lifetimebound]],
                                           std::unique_ptr<Stream> connection,
                                           const crypto::TlsContext& context,
                                           const TlsOptions& options = {});
  ~TlsStream() override;

  // Completes when the handshake has; reading and writing do the same by themselves. Errors of
  // crypto::TlsSession::handshake(), and kTimeout.
  Task<> handshake();
  // After it: crypto::TlsSession's.
  const crypto::TlsSession& session() const noexcept [[clang::lifetimebound]] { return session_; }

  using Stream::try_write;
  Attempt try_read(MutableByteSpan buffer) override;
  Attempt try_write(std::span<const ByteSpan> pieces) override;
  Event& readable() noexcept override { return readable_; }
  Event& writable() noexcept override { return writable_; }
  Result<> shutdown_write() override;
  void close() noexcept override;
  void abort() noexcept override;
  void set_options(const StreamOptions& options) noexcept override {
    connection_->set_options(options);
  }
  SocketAddress local_address() const override { return connection_->local_address(); }
  SocketAddress peer_address() const override { return connection_->peer_address(); }
  bool is_encrypted() const noexcept override { return true; }
  bool hung_up() const noexcept override { return connection_failed_ || connection_->hung_up(); }

 private:
  // Is told when the connection below becomes ready.
  struct Observer : EventObserver {
    Observer(TlsStream& owner, Callback callback) noexcept
        : EventObserver(callback), stream(owner) {}
    TlsStream& stream;
  };
  struct HandshakeTimer final : Timer {
    explicit HandshakeTimer(TlsStream& owner) noexcept
        : Timer(&HandshakeTimer::fired), stream(owner) {}
    static void fired(Timer& timer) noexcept;
    TlsStream& stream;
  };
  struct FlushWork final : QueuedWork {
    explicit FlushWork(TlsStream& owner) noexcept : QueuedWork(&FlushWork::run), stream(owner) {}
    static void run(QueuedWork& work) noexcept { static_cast<FlushWork&>(work).stream.flush(); }
    TlsStream& stream;
  };

  TlsStream(Reactor& reactor, std::unique_ptr<Stream> connection, const crypto::TlsContext& context,
            const TlsOptions& options);

  std::optional<std::size_t> read_encrypted(MutableByteSpan buffer) noexcept override;
  void write_encrypted(ByteSpan bytes) noexcept override;

  void connection_readable() noexcept;
  void connection_writable() noexcept;
  // Whether the handshake is done.
  Result<bool> advance();
  // After the peer's end: what else comes means nothing, but how the connection ends is noticed.
  void discard_rest() noexcept;
  Attempt wait_to_read() noexcept;
  Attempt wait_to_write() noexcept;
  std::unexpected<Error> break_with(Error error);
  // Hands what waits to the connection.
  void flush() noexcept;
  void flush_later() noexcept;

  Reactor& reactor_;
  std::unique_ptr<Stream> connection_;
  std::string plain_http_answer_;
  crypto::TlsSession session_;
  Event readable_;
  Event writable_;
  Observer below_readable_;
  Observer below_writable_;
  HandshakeTimer timer_;
  FlushWork flush_work_;
  std::vector<std::byte> unsent_;     // encrypted
  std::size_t unsent_begin_ = 0;      // bytes of it that have left
  std::size_t taken_unreported_ = 0;  // plain bytes that are encrypted, of a write that waits
  std::optional<Error> error_;
  bool connection_failed_ = false;
  bool ready_ = false;  // the handshake is done
  bool ended_ = false;  // the peer said so
  bool write_ended_ = false;
  bool closed_ = false;
};

}  // namespace selvedge::io
