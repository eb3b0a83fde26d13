#include "io/internal/system_error.h"

#include <cerrno>
#include <system_error>

#include "base/format.h"

namespace selvedge::io::internal {
namespace {

ErrorKind kind_of(int error_number) noexcept {
  switch (error_number) {
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case ENOTCONN:
    case ESHUTDOWN:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENETRESET:
      return ErrorKind::kDisconnected;
    case ETIMEDOUT:
      return ErrorKind::kTimeout;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::kDenied;
    case ENOENT:
    case ENOTDIR:
    case EADDRNOTAVAIL:
    case ENXIO:
      return ErrorKind::kNotFound;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case EAGAIN:
    case EADDRINUSE:
      return ErrorKind::kOverloaded;
    case EINVAL:
    case EMSGSIZE:
    case EBADF:
    case ENAMETOOLONG:
    case EDESTADDRREQ:
      return ErrorKind::kInvalid;
    case EAFNOSUPPORT:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
      return ErrorKind::kUnsupported;
    default:
      return ErrorKind::kInternal;
  }
}

}  // namespace

Error error_from_errno(int error_number, std::string_view what) {
  return Error(kind_of(error_number),
               fmt::format("cannot {}: {}", what, std::system_category().message(error_number)));
}

Error connect_error(int error_number, const SocketAddress& address) {
  Error error = error_from_errno(error_number, "connect to " + address.to_string());
  const bool no_route = error_number == ENETUNREACH || error_number == EHOSTUNREACH;
  return no_route ? Error(ErrorKind::kNotFound, error.message()) : std::move(error);
}

}  // namespace selvedge::io::internal
