#pragma once

// The bytes of a module that is in memory already: in a mapped blob, or in a package that was read.

#include <memory>

#include "base/bytes.h"

namespace selvedge::app {

struct ModuleBytes {
  std::shared_ptr<const void> owner;  // of what the bytes lie in; null: there are none
  base::ByteSpan bytes;

  explicit operator bool() const noexcept { return owner != nullptr; }
};

}  // namespace selvedge::app
