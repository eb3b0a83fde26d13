#include "engine/instance.h"

#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "engine/internal/native_error.h"
#include "engine/internal/native_text.h"
#include "engine/library.h"

namespace selvedge::engine {

Result<std::unique_ptr<Instance>> Instance::create(std::shared_ptr<const LinkedModule> linked,
                                                   HostContext& context,
                                                   const InstanceLimits& limits,
                                                   const InstanceLinks& links) {
  if (context.instance_ != nullptr) {
    return fail(ErrorKind::kInvalid, "the host context already serves an instance");
  }
  return std::unique_ptr<Instance>(new Instance(std::move(linked), context, limits, links));
}

Instance::Instance(std::shared_ptr<const LinkedModule> linked, HostContext& context,
                   const InstanceLimits& limits, const InstanceLinks& links) noexcept
    : linked_(std::move(linked)), context_(context), limits_(limits) {
  context_.instance_ = this;
  context_.native_.memory_growing = &Instance::memory_growing;
  context_.native_.table_growing = &Instance::table_growing;
  store_ = native::selvedge_store_new(linked_->native(), &context_.native_,
                                      links.map != nullptr ? links.map->native() : nullptr,
                                      links.thread);
  may_leave_ = native::selvedge_store_may_leave(store_);
}

Instance::~Instance() {
  SELVEDGE_ASSERT(context_.fiber_ == nullptr);
  native::selvedge_store_free(store_);
  context_.instance_ = nullptr;
  context_.native_.memory_data = nullptr;
  context_.native_.memory_size = 0;
  if (limits_.account != nullptr) {
    limits_.account->release(memory_bytes_);
  }
}

Result<std::unique_ptr<Fiber>> Instance::call(std::string_view name,
                                              std::span<const std::uint64_t> arguments) {
  if (context_.fiber_ != nullptr) {
    return fail(ErrorKind::kOverloaded, "the instance is already running a call");
  }
  native::Fiber* fiber = nullptr;
  SELVEDGE_TRY_VOID(take_native_error(native::selvedge_fiber_new(
      store_, to_native(name), arguments.data(), arguments.size(), &fiber)));
  return std::make_unique<Fiber>(*this, fiber);
}

Result<std::unique_ptr<Fiber>> Instance::call_element(std::uint32_t index) {
  if (context_.fiber_ != nullptr) {
    return fail(ErrorKind::kOverloaded, "the instance is already running a call");
  }
  return std::make_unique<Fiber>(*this, native::selvedge_fiber_new_at_element(store_, index));
}

native::GrowDecision Instance::memory_growing(native::GuestContext* guest, std::size_t current,
                                              std::size_t desired) noexcept {
  HostContext& context = *static_cast<HostContext*>(guest->owner);
  Instance& self = *context.instance_;
  const std::size_t more = desired - current;
  MemoryAccount* const account = self.limits_.account;
  const bool within_own = self.memory_bytes_ + more <= self.limits_.memory_bytes_max;
  if (within_own && (account == nullptr || account->reserve(more))) {
    self.memory_bytes_ += more;
    return native::GrowDecision::Allow;
  }
  self.memory_refusal_ = within_own
                             ? account->limit_text()
                             : fmt::format("its limit of {} bytes", self.limits_.memory_bytes_max);
  if (account != nullptr) {
    account->note_refusal();
  }
  // Without its first memory the guest cannot even see a refusal.
  if (self.limits_.on_growth == InstanceLimits::OnGrowth::kRefuse && current != 0) {
    return native::GrowDecision::Refuse;
  }
  context.end({.reason = EndReason::kMemoryLimit,
               .message = fmt::format("the guest asked for {} bytes of memory, beyond {}",
                                      self.memory_bytes_ + more, self.memory_refusal_)});
  return native::GrowDecision::End;
}

native::GrowDecision Instance::table_growing(native::GuestContext* guest, std::size_t current,
                                             std::size_t desired) noexcept {
  HostContext& context = *static_cast<HostContext*>(guest->owner);
  const Instance& self = *context.instance_;
  if (desired <= self.limits_.table_elements_max) {
    return native::GrowDecision::Allow;
  }
  if (self.limits_.on_growth == InstanceLimits::OnGrowth::kRefuse && current != 0) {
    return native::GrowDecision::Refuse;
  }
  context.end({.reason = EndReason::kTableLimit,
               .message = fmt::format("the guest asked for {} table elements; its limit is {}",
                                      desired, self.limits_.table_elements_max)});
  return native::GrowDecision::End;
}

}  // namespace selvedge::engine
