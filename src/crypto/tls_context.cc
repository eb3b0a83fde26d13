#include "crypto/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/tls1.h>

#include <algorithm>

#include "base/assert.h"
#include "base/format.h"
#include "base/narrow.h"
#include "crypto/internal/certificate_contents.h"
#include "crypto/internal/tls_context_contents.h"

namespace selvedge::crypto {
namespace {

using internal::X509Pointer;

// Of TLS 1.2; those of 1.3 are all good.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr std::size_t kProtocolBytesMax = 255;
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kServerNameBytesMax = 253;

Result<std::string> alpn_of(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > kProtocolBytesMax) {
      return fail_format(ErrorKind::kInvalid, "\"{}\" is not a protocol for ALPN", protocol);
    }
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

void set_common(SSL_CTX* context) {
  SELVEDGE_ASSERT(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  SELVEDGE_ASSERT(SSL_CTX_set_cipher_list(context, kCiphers) == 1);
  SELVEDGE_ASSERT(SSL_CTX_set1_groups_list(context, kGroups) == 1);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // Tickets, whose key this context has, resume sessions; nothing is kept for clients.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
}

int choose_certificate(SSL* ssl, int* alert, void* argument) {
  const auto& contents = *static_cast<const TlsContext::Contents*>(argument);
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const auto chosen = contents.choose(name == nullptr ? "" : name);
  if (!chosen.has_value()) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  const Certificate::Contents& certificate = chosen->contents();
  bool used = SSL_use_certificate(ssl, certificate.leaf.get()) == 1 &&
              SSL_use_PrivateKey(ssl, certificate.key.get()) == 1;
  for (const X509Pointer& next : certificate.chain) {
    used = used && SSL_add1_chain_cert(ssl, next.get()) == 1;
  }
  if (!used) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  return SSL_TLSEXT_ERR_OK;
}

// RFC 7301 section 3.2: our preference counts.
int choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned int offered_size, void* argument) {
  const auto& contents = *static_cast<const TlsContext::Contents*>(argument);
  const std::string_view ours = contents.protocols;
  for (std::size_t i = 0; i < ours.size(); i += 1 + static_cast<unsigned char>(ours[i])) {
    const std::string_view wanted = ours.substr(i, 1 + static_cast<unsigned char>(ours[i]));
    for (std::size_t j = 0; j < offered_size; j += 1 + std::size_t{offered[j]}) {
      const auto theirs = base::as_text(std::as_bytes(std::span(offered + j, offered_size - j)))
                              .substr(0, 1 + std::size_t{offered[j]});
      if (theirs == wanted) {
        *out = offered + j + 1;
        *out_size = offered[j];
        return SSL_TLSEXT_ERR_OK;
      }
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int check_pin(X509_STORE_CTX* verified, void* argument) {
  const auto& contents = *static_cast<const TlsContext::Contents*>(argument);
  X509* const leaf = X509_STORE_CTX_get0_cert(verified);
  const bool good = leaf != nullptr && internal::public_key_hash(leaf) == contents.pinned_hash;
  X509_STORE_CTX_set_error(verified, good ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED);
  return good ? 1 : 0;
}

Result<> trust(SSL_CTX* context, std::string_view authorities) {
  const auto bio = internal::read_from(authorities);
  std::size_t count = 0;
  for (; count < Certificate::kChainMax; ++count) {
    const X509Pointer authority(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (authority == nullptr) {
      break;
    }
    SELVEDGE_ASSERT(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) == 1);
  }
  ERR_clear_error();
  return count > 0 ? Result<>()
                   : fail(ErrorKind::kInvalid, "there is no certificate in PEM to trust");
}

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

Result<TlsContext> TlsContext::server(TlsServerOptions options) {
  auto contents = std::make_shared<Contents>();
  contents->is_server = true;
  contents->transport = internal::make_transport_method();
  contents->choose = std::move(options.choose);
  SELVEDGE_ASSERT(contents->choose != nullptr);
  SELVEDGE_TRY(contents->protocols, alpn_of(options.protocols));
  contents->context.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = contents->context.get();
  SELVEDGE_ASSERT(context != nullptr);
  set_common(context);
  SSL_CTX_set_tlsext_servername_callback(context, &choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(context, contents.get());
  if (!contents->protocols.empty()) {
    SSL_CTX_set_alpn_select_cb(context, &choose_protocol, contents.get());
  }
  return TlsContext(std::move(contents));
}

Result<TlsContext> TlsContext::client(TlsClientOptions options) {
  auto contents = std::make_shared<Contents>();
  contents->transport = internal::make_transport_method();
  if (options.server_name.size() > kServerNameBytesMax ||
      options.server_name.find('\0') != std::string::npos) {
    return fail(ErrorKind::kInvalid, "the server's name is too long for a name");
  }
  contents->server_name = std::move(options.server_name);
  contents->pinned_hash = std::move(options.public_key_hash);
  SELVEDGE_TRY(contents->protocols, alpn_of(options.protocols));
  contents->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = contents->context.get();
  SELVEDGE_ASSERT(context != nullptr);
  set_common(context);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (!contents->pinned_hash.empty()) {
    if (!is_hash(contents->pinned_hash)) {
      return fail_format(ErrorKind::kInvalid,
                         "\"{}\" is not the hash of a key: 64 hexadecimal digits",
                         contents->pinned_hash);
    }
    SSL_CTX_set_cert_verify_callback(context, &check_pin, contents.get());
  } else {
    SELVEDGE_TRY_VOID(trust(context, options.authorities_pem));
  }
  if (!contents->protocols.empty()) {
    SELVEDGE_ASSERT(
        SSL_CTX_set_alpn_protos(context, internal::octets(base::as_bytes(contents->protocols)),
                                base::narrow<unsigned>(contents->protocols.size())) == 0);
  }
  return TlsContext(std::move(contents));
}

}  // namespace selvedge::crypto
