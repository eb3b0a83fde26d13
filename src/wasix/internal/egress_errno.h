#pragma once

// What the errors of the host's network are to a guest.

#include "base/result.h"
#include "wasix/abi.h"

namespace selvedge::wasix::internal {

// Of io::Network::connect.
inline Errno connect_errno(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kDisconnected:
      return Errno::kConnrefused;
    case ErrorKind::kTimeout:
      return Errno::kTimedout;
    case ErrorKind::kNotFound:
      return Errno::kHostunreach;
    case ErrorKind::kDenied:
      return Errno::kAcces;
    case ErrorKind::kOverloaded:
      return Errno::kNobufs;
    case ErrorKind::kUnsupported:
      return Errno::kNetunreach;  // the host has no such family
    case ErrorKind::kInvalid:
    case ErrorKind::kConflict:
    case ErrorKind::kInternal:
      break;
  }
  return Errno::kIo;
}

// Of making a datagram socket, and of sending with it.
inline Errno send_errno(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kDisconnected:
    case ErrorKind::kNotFound:
      return Errno::kHostunreach;
    case ErrorKind::kInvalid:
      return Errno::kMsgsize;
    default:
      return connect_errno(kind);
  }
}

}  // namespace selvedge::wasix::internal
