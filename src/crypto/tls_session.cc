#include "crypto/tls_session.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "base/format.h"
#include "base/narrow.h"
#include "crypto/internal/tls_context_contents.h"

namespace selvedge::crypto {
namespace {

TlsTransport& transport_of(BIO* bio) { return *static_cast<TlsTransport*>(BIO_get_data(bio)); }

int read_transport(BIO* bio, char* buffer, std::size_t size, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  const auto taken =
      transport_of(bio).read_encrypted(std::as_writable_bytes(std::span(buffer, size)));
  if (!taken.has_value()) {
    BIO_set_retry_read(bio);
  }
  *count = taken.value_or(0);
  return *count > 0 ? 1 : 0;
}

int write_transport(BIO* bio, const char* buffer, std::size_t size, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  transport_of(bio).write_encrypted(std::as_bytes(std::span(buffer, size)));
  *count = size;
  return 1;
}

long control_transport(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  // Nothing is buffered here; that the other end is gone, read_transport says.
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace

internal::BioMethodPointer internal::make_transport_method() {
  BioMethodPointer method(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "selvedge"));
  SELVEDGE_ASSERT(method != nullptr);
  BIO_meth_set_read_ex(method.get(), &read_transport);
  BIO_meth_set_write_ex(method.get(), &write_transport);
  BIO_meth_set_ctrl(method.get(), &control_transport);
  return method;
}

struct TlsSession::Parts {
  std::shared_ptr<const TlsContext::Contents> context;  // outlives `ssl`
  internal::SslPointer ssl;
};

TlsSession::TlsSession(const TlsContext& context, TlsTransport& transport)
    : parts_(std::make_unique<Parts>()) {
  parts_->context = context.contents();
  const TlsContext::Contents& shared = *parts_->context;
  parts_->ssl.reset(SSL_new(shared.context.get()));
  SSL* const ssl = parts_->ssl.get();
  BIO* const bio = BIO_new(shared.transport.get());
  SELVEDGE_ASSERT(ssl != nullptr && bio != nullptr);
  BIO_set_data(bio, &transport);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  if (shared.is_server) {
    SSL_set_accept_state(ssl);
    return;
  }
  SSL_set_connect_state(ssl);
  if (shared.server_name.empty()) {
    return;
  }
  const bool is_address =
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), shared.server_name.c_str()) == 1;
  if (!is_address) {
    ERR_clear_error();
    SELVEDGE_ASSERT(SSL_set1_host(ssl, shared.server_name.c_str()) == 1);
    SELVEDGE_ASSERT(SSL_set_tlsext_host_name(ssl, shared.server_name.c_str()) == 1);
  }
}

TlsSession::~TlsSession() = default;

// Keeps nothing in the thread's queue of errors, which the next connection would find.
Error TlsSession::error_of(int result, bool in_handshake) {
  SSL* const ssl = parts_->ssl.get();
  const int code = SSL_get_error(ssl, result);
  const int reason = ERR_GET_REASON(ERR_peek_error());
  const std::string text(internal::take_reason());
  if (code != SSL_ERROR_SSL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return Error(ErrorKind::kDisconnected, in_handshake ? "the peer left during the TLS handshake"
                                                        : "the TLS connection was cut off");
  }
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    return Error(ErrorKind::kDenied,
                 fmt::format("TLS: the certificate is not trusted: {}",
                             X509_verify_cert_error_string(SSL_get_verify_result(ssl))));
  }
  plain_http_ = reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST;
  return Error(in_handshake ? ErrorKind::kInvalid : ErrorKind::kDisconnected, "TLS: " + text);
}

Result<bool> TlsSession::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(parts_->ssl.get());
  if (result == 1) {
    return true;
  }
  if (SSL_get_error(parts_->ssl.get(), result) == SSL_ERROR_WANT_READ) {
    return false;
  }
  return fail(error_of(result, true));
}

Result<std::optional<std::size_t>> TlsSession::read(base::MutableByteSpan buffer) {
  SELVEDGE_DCHECK(!buffer.empty());
  SSL* const ssl = parts_->ssl.get();
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_read_ex(ssl, buffer.data(), buffer.size(), &count);
  if (result == 1) {
    return count;
  }
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return std::nullopt;
    case SSL_ERROR_ZERO_RETURN:
      return std::size_t{0};
    default:
      return fail(error_of(result, false));
  }
}

Result<> TlsSession::write(base::ByteSpan bytes) {
  SELVEDGE_ASSERT(!bytes.empty() && bytes.size() <= kRecordBytesMax);
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_write_ex(parts_->ssl.get(), bytes.data(), bytes.size(), &count);
  if (result != 1) {
    return fail(error_of(result, false));
  }
  SELVEDGE_ASSERT(count == bytes.size());
  return {};
}

void TlsSession::finish_writing() noexcept {
  ERR_clear_error();
  SSL_shutdown(parts_->ssl.get());
  ERR_clear_error();
}

std::string_view TlsSession::server_name() const noexcept {
  const char* const name = SSL_get_servername(parts_->ssl.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? std::string_view() : name;
}

std::string_view TlsSession::protocol() const noexcept {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(parts_->ssl.get(), &name, &size);
  return base::as_text(std::as_bytes(std::span(name, size)));
}

std::string_view TlsSession::version() const noexcept { return SSL_get_version(parts_->ssl.get()); }

}  // namespace selvedge::crypto
