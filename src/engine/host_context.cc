#include "engine/host_context.h"

#include <utility>

#include "base/assert.h"
#include "engine/internal/native_error.h"
#include "engine/internal/native_text.h"
#include "engine/internal/winding.h"

namespace selvedge::engine {

HostContext::HostContext() noexcept : native_{} {
  native_.owner = this;
  native_.state = native::CallState::Ready;
  native_.unwound = &HostContext::stack_unwound;
  native_.rewind = &HostContext::stack_rewinds;
  native_.next_signal = &HostContext::signal_for;
}

HostContext::~HostContext() { SELVEDGE_ASSERT(instance_ == nullptr); }

Fiber& HostContext::fiber() const noexcept {
  SELVEDGE_ASSERT(fiber_ != nullptr);
  return *fiber_;
}

std::uint32_t HostContext::signal_for(native::GuestContext* guest) noexcept {
  return static_cast<HostContext*>(guest->owner)->next_signal();
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

Result<std::uint64_t> HostContext::global(std::string_view name) {
  std::uint64_t bits = 0;
  SELVEDGE_TRY_VOID(
      take_native_error(native::selvedge_guest_global_get(&native_, to_native(name), &bits)));
  return bits;
}

Result<> HostContext::set_global(std::string_view name, std::uint64_t bits) {
  return take_native_error(native::selvedge_guest_global_set(&native_, to_native(name), bits));
}

Result<std::uint64_t> HostContext::call_guest(std::string_view name,
                                              std::initializer_list<std::uint64_t> arguments) {
  std::uint64_t result = 0;
  auto called = take_native_error(native::selvedge_guest_call(
      &native_, to_native(name), arguments.begin(), arguments.size(), &result));
  if (!called) {
    note_failure_inside(called.error());
    return fail(std::move(called).error());
  }
  return result;
}

void HostContext::note_failure_inside(const Error& error) {
  // Unless the guest asked for an end of its own kind, the failure is its trap.
  if (ending() && ending_.reason == EndReason::kFinished) {
    ending_ = {.reason = EndReason::kTrapped, .message = error.message()};
  }
}

std::optional<std::uint32_t> HostContext::grow_memory(std::uint32_t pages) noexcept {
  const std::int64_t before = native::selvedge_guest_memory_grow(&native_, pages);
  return before < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(before));
}

bool HostContext::can_enter(std::uint32_t index) noexcept {
  return native::selvedge_guest_can_enter(&native_, index);
}

Result<> HostContext::pass_globals(HostContext& next) {
  if (!native::selvedge_guest_globals_pass(&native_, &next.native_)) {
    return fail(ErrorKind::kUnsupported, "the program has too many globals to switch contexts");
  }
  return {};
}

void HostContext::suspend(std::unique_ptr<internal::ErasedCall> call) noexcept {
  if (ending()) {
    return;
  }
  pending_ = std::move(call);
  native_.state = native::CallState::Pending;
}

}  // namespace selvedge::engine
