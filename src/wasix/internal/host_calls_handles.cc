// What WASIX adds for descriptors: duplicates, pipes, events, epoll, the working directory.

#include "wasix/internal/registration.h"

namespace selvedge::wasix::internal {

void register_wasix_handles(engine::HostFunctions& /*functions*/) {}

}  // namespace selvedge::wasix::internal
