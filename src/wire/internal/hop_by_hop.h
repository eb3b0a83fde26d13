#pragma once

#include <string_view>
#include <vector>

#include "wire/header.h"

namespace selvedge::wire::internal {

// Which fields of a head concern one connection only, in the same sense.
class HopByHop {
 public:
  // `headers` outlives this and does not change.
  explicit HopByHop(const HeaderList& headers [[clang::lifetimebound]]);
  bool contains(HeaderName name) const noexcept;

 private:
  std::vector<std::string_view> named_;  // by Connection
};

// Removes the fields that concern one connection only, and those that Connection names (RFC 9110
// section 7.6.1), but Transfer-Encoding, which each caller judges by itself.
void remove_hop_by_hop(HeaderList& headers);

}  // namespace selvedge::wire::internal
