#pragma once

#include "engine/host_functions.h"

namespace selvedge::engine {

// Offers the functions that rewriting puts in place of the waiting atomic instructions (see
// module_info.h) to guests whose memory is not shared, with the exact meaning of the instructions:
// a wait traps, a notify finds nobody waiting. Hosts with threads define their own instead.
void define_unshared_atomics(HostFunctions& functions);

}  // namespace selvedge::engine
