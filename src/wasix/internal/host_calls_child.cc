// Processes and signals of WASIX.

#include "wasix/internal/registration.h"

namespace selvedge::wasix::internal {

void register_wasix_processes(engine::HostFunctions& /*functions*/) {}

}  // namespace selvedge::wasix::internal
