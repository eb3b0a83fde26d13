#pragma once

// One end of one TLS connection, without a network: it reads and writes through a TlsTransport and
// never waits. io::TlsStream makes a stream of it.

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/tls_context.h"

namespace selvedge::crypto {

// Where the encrypted bytes come from and go to.
class TlsTransport {
 public:
  virtual ~TlsTransport() = default;
  // Reads what is there; nullopt: nothing now. 0: nothing more will come.
  virtual std::optional<std::size_t> read_encrypted(base::MutableByteSpan buffer) noexcept = 0;
  // Takes all of it: at most a record for each write() of the session, and what answers the peer.
  virtual void write_encrypted(base::ByteSpan bytes) noexcept = 0;
};

// One thread at a time. After an error nothing works any more: the peer was told with an alert
// where that makes sense.
class TlsSession {
 public:
  // Plaintext of one record (RFC 8446 section 5.1).
  static constexpr std::size_t kRecordBytesMax = 16'384;
  // What one record has on the wire beyond that, at most (RFC 5246 section 6.2.3).
  static constexpr std::size_t kRecordOverheadMax = 2048 + 5;

  // `transport` outlives it.
  TlsSession(const TlsContext& context, TlsTransport& transport [[clang::lifetimebound]]);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Goes on with the handshake as far as it gets: whether it is done. Invalid (not TLS, or nothing
  // in common), Denied (the certificate is not trusted), Disconnected.
  Result<bool> handshake();
  // Decrypted bytes; nullopt: more encrypted ones are needed. 0: the peer has said that nothing
  // more comes. Disconnected also when the connection ends without that: somebody may have cut it.
  // Only after the handshake.
  Result<std::optional<std::size_t>> read(base::MutableByteSpan buffer);
  // Encrypts 1 to kRecordBytesMax bytes as one record. Only after the handshake.
  Result<> write(base::ByteSpan bytes);
  // Tells the peer that nothing more comes; reading goes on. Idempotent.
  void finish_writing() noexcept;

  // After the handshake. Empty: the client named none, or no protocol was agreed on.
  std::string_view server_name() const noexcept;
  std::string_view protocol() const noexcept;
  std::string_view version() const noexcept;  // "TLSv1.3"
  // After handshake() failed: the peer speaks HTTP without TLS.
  bool peer_speaks_plain_http() const noexcept { return plain_http_; }

 private:
  struct Parts;
  Error error_of(int result, bool in_handshake);

  std::unique_ptr<Parts> parts_;
  bool plain_http_ = false;
};

}  // namespace selvedge::crypto
