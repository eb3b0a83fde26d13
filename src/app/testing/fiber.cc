#include "app/testing/fiber.h"

#include <bit>
#include <cstdint>
#include <utility>

#include "base/assert.h"

#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#endif

namespace selvedge::app::testing {

Fiber::Fiber(std::function<void()> function)
    : function_(std::move(function)),
      stack_(std::make_unique_for_overwrite<std::array<std::byte, kStackBytes>>()) {
  SELVEDGE_ASSERT(::getcontext(&own_) == 0);
  own_.uc_stack.ss_sp = stack_->data();
  own_.uc_stack.ss_size = stack_->size();
  own_.uc_link = nullptr;
  // Arguments are ints there.
  const auto self = std::bit_cast<std::uintptr_t>(this);
  ::makecontext(&own_, std::bit_cast<void (*)()>(&Fiber::enter), 2,
                static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
#if __has_feature(thread_sanitizer)
  own_shadow_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#if __has_feature(thread_sanitizer)
  __tsan_destroy_fiber(own_shadow_);
#endif
}

void Fiber::enter(unsigned high, unsigned low) {
  std::bit_cast<Fiber*>((std::uintptr_t{high} << 32) | low)->play();
}

void Fiber::play() {
  after_suspend();
  function_();
  ended_ = true;
  suspend();
  SELVEDGE_ASSERT(false);
}

void Fiber::resume() {
  SELVEDGE_ASSERT(!ended_);
  before_resume();
  SELVEDGE_ASSERT(::swapcontext(&resumer_, &own_) == 0);
  after_resume();
}

void Fiber::suspend() {
  before_suspend();
  SELVEDGE_ASSERT(::swapcontext(&own_, &resumer_) == 0);
  after_suspend();
}

void Fiber::before_resume() noexcept {
#if __has_feature(address_sanitizer)
  __sanitizer_start_switch_fiber(&resumer_shadow_, stack_->data(), stack_->size());
#elif __has_feature(thread_sanitizer)
  resumer_shadow_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(own_shadow_, 0);
#endif
}

void Fiber::after_resume() noexcept {
#if __has_feature(address_sanitizer)
  __sanitizer_finish_switch_fiber(resumer_shadow_, nullptr, nullptr);
#endif
}

void Fiber::before_suspend() noexcept {
#if __has_feature(address_sanitizer)
  // An ended one gives its shadow up.
  __sanitizer_start_switch_fiber(ended_ ? nullptr : &own_shadow_, resumer_stack_,
                                 resumer_stack_bytes_);
#elif __has_feature(thread_sanitizer)
  __tsan_switch_to_fiber(resumer_shadow_, 0);
#endif
}

void Fiber::after_suspend() noexcept {
#if __has_feature(address_sanitizer)
  __sanitizer_finish_switch_fiber(own_shadow_, &resumer_stack_, &resumer_stack_bytes_);
#endif
}

}  // namespace selvedge::app::testing
