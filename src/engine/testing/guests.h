#pragma once

// Small guests written as text, for the tests of this module and of higher ones.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "engine/fiber.h"
#include "engine/host_context.h"
#include "engine/host_functions.h"
#include "engine/instance.h"

namespace selvedge::engine::testing {

// As many guests as a test may want at once: fewer under ThreadSanitizer, whose own address space
// leaves no room for a thousand memories.
#if __has_feature(thread_sanitizer)
inline constexpr std::uint32_t kManyGuests = 30;
#else
inline constexpr std::uint32_t kManyGuests = 1000;
#endif

// An engine with a pool small enough for sanitizers, without an artifact cache.
EngineOptions small_pool(std::uint32_t instances_max = 8);
std::unique_ptr<Engine> make_engine(EngineOptions options = small_pool());

// The module of this text; a failure to compile is a test failure and gives null.
std::shared_ptr<const Module> compile(Engine& engine, std::string_view wat);

// A guest thread with a context of its own: instance and one call at a time.
class Guest : public HostContext {
 public:
  Guest(const HostFunctions& functions, std::shared_ptr<const Module> module,
        const InstanceLimits& limits = {});
  ~Guest() override;

  // Prepares the call of an exported function; replaces the one before.
  Fiber& call(std::string_view name, std::initializer_list<std::uint64_t> arguments = {});
  // Calls and polls until done, at most `polls_max` times; the outcome's reason is kKilled when
  // that was not enough.
  Outcome run(std::string_view name, std::initializer_list<std::uint64_t> arguments = {},
              int polls_max = 1000);

  Instance& instance() { return *instance_; }
  Fiber& current() { return *fiber_; }
  void drop_fiber() { fiber_.reset(); }

 private:
  std::unique_ptr<Instance> instance_;
  std::unique_ptr<Fiber> fiber_;
};

// A waiting call that the test completes.
template <class R>
class ManualCall final : public PendingCall<R> {
 public:
  struct Control {
    std::optional<R> value;
    int polls = 0;
    bool destroyed = false;
  };
  explicit ManualCall(std::shared_ptr<Control> control) : control_(std::move(control)) {}
  ~ManualCall() override { control_->destroyed = true; }
  std::optional<R> poll() override {
    ++control_->polls;
    return control_->value;
  }

 private:
  std::shared_ptr<Control> control_;
};

}  // namespace selvedge::engine::testing
