#pragma once

// What the parsers of HTTP/1 requests and responses yield.

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace selvedge::wire {

enum class Http1EventKind : std::uint8_t {
  kNeedMore,  // consumed is 0 or what was swallowed; call again with more bytes
  kHead,      // head() is complete
  kContent,   // `data` (inside the input) is a piece of the content; never empty
  kEnd,       // the message is complete
};

struct Http1Event {
  Http1EventKind kind = Http1EventKind::kNeedMore;
  std::size_t consumed = 0;
  base::ByteSpan data;
};

}  // namespace selvedge::wire
