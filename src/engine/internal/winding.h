#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/call_stack.h"
#include "engine/host_context.h"

namespace selvedge::engine {

// What a guest's context knows of a stack that is on its way.
struct HostContext::Winding {
  std::unique_ptr<UnwoundCall> then;
  // To be put back.
  std::shared_ptr<const SavedStack> next;
  // The region in the guest's memory, and what the guest has there.
  std::uint32_t region = 0;
  std::vector<std::byte> covered;
};

}  // namespace selvedge::engine
