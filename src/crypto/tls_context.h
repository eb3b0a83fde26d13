#pragma once

// What the TLS connections of one listener, or to one kind of server, have in common: versions,
// ciphers, certificates, whom to trust. TLS 1.2 at least, with forward secrecy and authenticated
// encryption only.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/certificate.h"

namespace selvedge::crypto {

// The certificate for the name that a client asks for (SNI; empty when it names none), or nullopt:
// the handshake fails. Called during handshakes, on whichever thread they run: it does not block.
using CertificateChooser = std::function<std::optional<Certificate>(std::string_view server_name)>;

struct TlsServerOptions {
  CertificateChooser choose;
  // Protocols that clients may choose from (ALPN, RFC 7301), most wanted first. A client that
  // offers others only is refused, one that offers none is served.
  std::vector<std::string> protocols = {};
};

struct TlsClientOptions {
  // For SNI, and what the server's certificate must be for: a host name, or an address.
  std::string server_name;
  // Certificates (PEM) that the server's must descend from, or be.
  std::string authorities_pem = {};
  // Instead of those and of the name: the hash of its public key (Certificate::public_key_hash).
  std::string public_key_hash = {};
  std::vector<std::string> protocols = {};
};

// Immutable; copies share. Any thread, connections on any threads.
class TlsContext {
 public:
  struct Contents;

  static Result<TlsContext> server(TlsServerOptions options);
  // Invalid: neither authorities nor a hash, or malformed ones.
  static Result<TlsContext> client(TlsClientOptions options);

  // For functions of this module.
  const std::shared_ptr<const Contents>& contents() const noexcept [[clang::lifetimebound]] {
    return contents_;
  }

 private:
  explicit TlsContext(std::shared_ptr<const Contents> contents) noexcept
      : contents_(std::move(contents)) {}
  std::shared_ptr<const Contents> contents_;
};

}  // namespace selvedge::crypto
