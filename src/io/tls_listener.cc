#include "io/tls_listener.h"

namespace selvedge::io {

Result<std::unique_ptr<Stream>> TlsListener::try_accept() {
  SELVEDGE_TRY(std::unique_ptr<Stream> connection, listener_->try_accept());
  if (connection == nullptr) {
    return nullptr;
  }
  return TlsStream::create(reactor_, std::move(connection), context_, options_);
}

}  // namespace selvedge::io
