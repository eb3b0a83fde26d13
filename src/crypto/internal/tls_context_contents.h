#pragma once

#include <string>

#include "crypto/internal/openssl.h"
#include "crypto/tls_context.h"

namespace selvedge::crypto {

struct TlsContext::Contents {
  bool is_server = false;
  internal::SslContextPointer context;
  internal::BioMethodPointer transport;  // of TlsSession
  CertificateChooser choose;
  std::string protocols;  // as ALPN sends them
  std::string server_name;
  std::string pinned_hash;
};

namespace internal {

// Bytes that go through a TlsTransport, the BIO's data.
BioMethodPointer make_transport_method();

}  // namespace internal
}  // namespace selvedge::crypto
