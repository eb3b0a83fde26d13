#pragma once

// Blocking code that stops in its midst and goes on later, on one thread: for models of what
// several processes do, in an order that a seed chooses.

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>

namespace selvedge::app::testing {

// One thread. Must have ended when it is destroyed.
class Fiber {
 public:
  explicit Fiber(std::function<void()> function);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the function until it suspends or ends. Not from within a fiber.
  void resume();
  // Back to who resumed; from within the function.
  void suspend();
  bool ended() const noexcept { return ended_; }

 private:
  static constexpr std::size_t kStackBytes = std::size_t{512} << 10;

  static void enter(unsigned high, unsigned low);
  void play();
  // Tell sanitizers of the change of stacks.
  void before_resume() noexcept;
  void after_resume() noexcept;
  void before_suspend() noexcept;
  void after_suspend() noexcept;

  std::function<void()> function_;
  std::unique_ptr<std::array<std::byte, kStackBytes>> stack_;
  ucontext_t own_{};
  ucontext_t resumer_{};
  bool ended_ = false;
  // Of sanitizers.
  [[maybe_unused]] void* own_shadow_ = nullptr;
  [[maybe_unused]] void* resumer_shadow_ = nullptr;
  [[maybe_unused]] const void* resumer_stack_ = nullptr;
  [[maybe_unused]] std::size_t resumer_stack_bytes_ = 0;
};

}  // namespace selvedge::app::testing
