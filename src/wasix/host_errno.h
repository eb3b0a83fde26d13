#pragma once

#include "wasix/abi.h"

namespace selvedge::wasix {

// The guest's number for an errno of the host's kernel. Numbers that WASI lacks become kIo; running
// out of the host's own descriptors (EMFILE) becomes kNfile, since the guest's table is not what is
// full.
Errno errno_from_host(int host_errno) noexcept;

}  // namespace selvedge::wasix
