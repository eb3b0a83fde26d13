#include "base/errno_error.h"

#include <cerrno>
#include <system_error>

#include "base/format.h"

namespace selvedge::base {

Error errno_error(int number, std::string_view what) {
  const auto error = [what](ErrorKind kind, std::string_view reason) {
    return Error(kind, fmt::format("{}: {}", what, reason));
  };
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return error(ErrorKind::kNotFound, "no such file");
    case EACCES:
    case EPERM:
      return error(ErrorKind::kDenied, "permission denied");
    case EROFS:
      return error(ErrorKind::kDenied, "the disk is read-only");
    case ENOSPC:
    case EDQUOT:
      return error(ErrorKind::kOverloaded, "the disk is full");
    case EMFILE:
    case ENFILE:
      return error(ErrorKind::kOverloaded, "too many open files");
    default:
      return error(ErrorKind::kInternal, std::generic_category().message(number));
  }
}

}  // namespace selvedge::base
