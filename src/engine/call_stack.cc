#include "engine/call_stack.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "engine/fiber.h"
#include "engine/host_context.h"
#include "engine/internal/native_text.h"
#include "engine/internal/winding.h"

namespace selvedge::engine {

namespace {

// What Asyncify is given the address of: where the next frame goes, and where the room for them
// ends.
struct StackRecord {
  std::uint32_t next;
  std::uint32_t end;
};

// asyncify_get_state
constexpr std::uint64_t kUnwinding = 1;

// The end of what a 32-bit address can be the end of, aligned.
constexpr std::uint64_t kAddressesEnd = std::numeric_limits<std::uint32_t>::max() - 7U;

// The highest `size` bytes, or fewer when there are fewer.
std::span<std::byte> top_of(const GuestMemory& memory, std::size_t size, std::uint32_t& address) {
  const std::uint64_t end = std::min<std::uint64_t>(memory.size(), kAddressesEnd);
  address =
      static_cast<std::uint32_t>((end - std::min<std::uint64_t>(size, end)) & ~std::uint64_t{7});
  return *memory.bytes(address, end - address);
}

}  // namespace

HostContext::Winding& HostContext::winding_state() {
  if (winding_ == nullptr) {
    winding_ = std::make_unique<Winding>();
  }
  return *winding_;
}

Result<> HostContext::unwind(std::unique_ptr<UnwoundCall> then) {
  if (winding()) {
    trap("the guest saves its stack while it is being saved or restored");
  }
  if (in_handler()) {
    trap("the guest saves its stack in a handler of signals that interrupted what it computed");
  }
  if (ending()) {
    return fail(ErrorKind::kInvalid, "the guest ends");
  }
  Winding& state = winding_state();
  const std::span<std::byte> region =
      top_of(memory(), SavedStack::kBytesMax + sizeof(StackRecord), state.region);
  if (region.size() <= sizeof(StackRecord)) {
    trap("the guest saves its stack and has no memory for it");
    return fail(ErrorKind::kInvalid, "the guest has no memory");
  }
  cover(region);
  const auto size = static_cast<std::uint32_t>(region.size());
  const StackRecord record{.next = state.region + static_cast<std::uint32_t>(sizeof(StackRecord)),
                           .end = state.region + size};
  std::memcpy(region.data(), &record, sizeof(record));
  const bool begins = call_guest("asyncify_start_unwind", {state.region}).has_value() &&
                      call_guest("asyncify_get_state").value_or(0) == kUnwinding;
  // What the guest does there may lead here again.
  if (!begins || winding()) {
    trap("asyncify_start_unwind did not begin to unwind");
    return fail(ErrorKind::kInvalid, "the guest does not unwind");
  }
  state.then = std::move(then);
  native_.winding = native::Winding::Unwinding;
  return {};
}

void HostContext::rewind(std::shared_ptr<const SavedStack> stack) {
  winding_state().next = std::move(stack);
  native_.winding = native::Winding::Rewinding;
}

void HostContext::restart(std::shared_ptr<const SavedStack> stack) {
  if (winding()) {
    trap("the guest leaves its stack while it is being saved or restored");
  }
  if (ending()) {
    return;
  }
  rewind(std::move(stack));
  native_.restarts = true;
  native_.state = native::CallState::Ended;
}

Result<> HostContext::finish_rewind() {
  SELVEDGE_ASSERT(rewinding());
  // What the guest does there may lead here again.
  if (!call_guest("asyncify_stop_rewind") || !rewinding()) {
    trap("asyncify_stop_rewind did not end the rewinding");
    return fail(ErrorKind::kInvalid, "the guest does not stop rewinding");
  }
  uncover();
  native_.winding = native::Winding::None;
  winding_.reset();
  return {};
}

void HostContext::cover(std::span<const std::byte> region) {
  fiber().recall_siblings();
  winding_->covered.assign(region.begin(), region.end());
}

void HostContext::uncover() {
  const Winding& state = *winding_;
  std::memcpy(memory().bytes(state.region, state.covered.size())->data(), state.covered.data(),
              state.covered.size());
}

void HostContext::stack_unwound(native::GuestContext* guest) noexcept {
  static_cast<HostContext*>(guest->owner)->take_stack();
}

void HostContext::take_stack() {
  Winding& state = winding_state();
  const std::span<const std::byte> region = *memory().bytes(state.region, state.covered.size());
  const StackRecord record = *memory().read(GuestPtr<StackRecord>{state.region});
  native_.winding = native::Winding::None;
  const std::uint64_t used = std::uint64_t{record.next} - state.region;
  if (record.next < state.region + sizeof(StackRecord) || used > region.size()) {
    trap("the guest's Asyncify left a stack that is not in its place");
    return;
  }
  auto stack = std::make_shared<SavedStack>();
  stack->frames.assign(region.begin() + sizeof(StackRecord),
                       region.begin() + static_cast<std::ptrdiff_t>(used));
  uncover();
  native::Buffer* const globals = native::selvedge_guest_globals_save(&native_);
  const base::ByteSpan values = bytes_of(native::selvedge_buffer_bytes(globals));
  stack->globals.assign(values.begin(), values.end());
  native::selvedge_buffer_free(globals);
  const std::unique_ptr<UnwoundCall> then = std::move(state.then);
  std::unique_ptr<PendingCall<std::uint32_t>> wait = then->unwound(std::move(stack));
  SELVEDGE_ASSERT(ending() || rewinding());
  if (wait != nullptr) {
    suspend(std::move(wait));
  }
}

std::uint32_t HostContext::stack_rewinds(native::GuestContext* guest) noexcept {
  return static_cast<HostContext*>(guest->owner)->give_stack();
}

std::uint32_t HostContext::give_stack() {
  Winding& state = winding_state();
  const SavedStack& stack = *state.next;
  const std::span<std::byte> region =
      top_of(memory(), stack.frames.size() + sizeof(StackRecord), state.region);
  const bool fits = region.size() >= stack.frames.size() + sizeof(StackRecord) &&
                    native::selvedge_guest_globals_restore(&native_, to_native(stack.globals));
  if (!fits) {
    trap("a saved stack does not fit into the guest");
    return 0;
  }
  cover(region);
  const std::uint32_t end = state.region + static_cast<std::uint32_t>(sizeof(StackRecord)) +
                            static_cast<std::uint32_t>(stack.frames.size());
  const StackRecord record{.next = end, .end = end};
  std::memcpy(region.data(), &record, sizeof(record));
  std::ranges::copy(stack.frames, region.begin() + sizeof(StackRecord));
  return state.region;
}

}  // namespace selvedge::engine
