#pragma once

// A piece of content as it goes onto the wire.

#include <string_view>

#include "base/bytes.h"

namespace selvedge::wire {

// The bytes to send for one piece of content: prefix, data, suffix. The views are good until the
// next call of the writer that made them.
struct ContentFrame {
  std::string_view prefix;
  base::ByteSpan data;
  std::string_view suffix;
};

}  // namespace selvedge::wire
