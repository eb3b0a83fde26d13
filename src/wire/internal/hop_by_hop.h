#pragma once

#include "wire/header.h"

namespace selvedge::wire::internal {

// Removes the fields that concern one connection only, and those that Connection names (RFC 9110
// section 7.6.1), but Transfer-Encoding, which each caller judges by itself.
void remove_hop_by_hop(HeaderList& headers);

}  // namespace selvedge::wire::internal
