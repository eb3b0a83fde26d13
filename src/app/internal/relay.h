#pragma once

#include <memory>

#include "io/reactor.h"
#include "io/stream.h"
#include "io/task.h"

namespace selvedge::app::internal {

// Carries bytes both ways until both directions have ended in order, or one breaks: then both are
// aborted. `reactor` is that of both.
io::Task<> relay(io::Reactor& reactor, std::unique_ptr<io::Stream> a,
                 std::unique_ptr<io::Stream> b);

}  // namespace selvedge::app::internal
