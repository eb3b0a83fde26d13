#pragma once

#include "engine/host_context.h"

namespace selvedge::wasix {

class Process;

// One guest thread: the context that every host function receives. Owned by its process.
class Thread final : public engine::HostContext {
 public:
  explicit Thread(Process& process) noexcept : process_(process) {}

  Process& process() const noexcept [[clang::lifetimebound]] { return process_; }

 private:
  Process& process_;
};

}  // namespace selvedge::wasix
