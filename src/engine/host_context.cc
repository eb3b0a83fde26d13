#include "engine/host_context.h"

#include <utility>

#include "base/assert.h"

namespace selvedge::engine {

HostContext::HostContext() noexcept : native_{} {
  native_.owner = this;
  native_.state = native::CallState::Ready;
}

HostContext::~HostContext() { SELVEDGE_ASSERT(instance_ == nullptr); }

Fiber& HostContext::fiber() const noexcept {
  SELVEDGE_ASSERT(fiber_ != nullptr);
  return *fiber_;
}

void HostContext::exit(std::uint32_t code) noexcept {
  end({.reason = EndReason::kExited, .exit_code = code});
}

void HostContext::trap(std::string reason) {
  end({.reason = EndReason::kTrapped, .message = std::move(reason)});
}

void HostContext::end(Outcome outcome) {
  if (ending()) {
    return;
  }
  ending_ = std::move(outcome);
  native_.state = native::CallState::Ended;
}

void HostContext::suspend(std::unique_ptr<internal::ErasedCall> call) noexcept {
  if (ending()) {
    return;
  }
  pending_ = std::move(call);
  native_.state = native::CallState::Pending;
}

}  // namespace selvedge::engine
