// Threads and futexes.

#include "wasix/internal/registration.h"

namespace selvedge::wasix::internal {

void register_wasix_threads(engine::HostFunctions& /*functions*/) {}

}  // namespace selvedge::wasix::internal
