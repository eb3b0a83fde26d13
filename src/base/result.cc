#include "base/result.h"

namespace selvedge {

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kInvalid:
      return "invalid";
    case ErrorKind::kNotFound:
      return "not found";
    case ErrorKind::kDenied:
      return "denied";
    case ErrorKind::kOverloaded:
      return "overloaded";
    case ErrorKind::kDisconnected:
      return "disconnected";
    case ErrorKind::kTimeout:
      return "timeout";
    case ErrorKind::kConflict:
      return "conflict";
    case ErrorKind::kUnsupported:
      return "unsupported";
    case ErrorKind::kInternal:
      return "internal";
  }
  return "unknown";
}

Error::Error(ErrorKind kind, std::string message, std::source_location location)
    : rep_(std::make_unique<Rep>(Rep{kind, std::move(message), location})) {}

Error Error::with_context(std::string_view context) && {
  rep_->message.insert(0, ": ").insert(0, context);
  return std::move(*this);
}

Error Error::clone() const { return Error(rep_->kind, rep_->message, rep_->location); }

}  // namespace selvedge
