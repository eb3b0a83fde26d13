#pragma once

// What a ThreadGroup keeps for each of its threads.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/fiber.h"
#include "engine/instance.h"
#include "wasix/thread.h"
#include "wasix/thread_group.h"

namespace selvedge::wasix {

// One call stack. Destroyed in this order reversed: the fiber runs on the instance, the instance on
// the host's side of it.
struct ThreadGroup::Context {
  Context(Process& process, ThreadId id, ContextId context) noexcept
      : thread(process, id, context) {}

  Thread thread;
  std::unique_ptr<engine::Instance> instance;
  std::unique_ptr<engine::Fiber> fiber;
  // It has run, so that its fiber is the scheduler's. The main one has.
  bool begun = false;
};

struct ThreadGroup::GuestThread {
  GuestThread(Process& process, ThreadId id) noexcept : main(process, id, kMainContext) {}

  // The one that runs; the others wait in context_switch or have not begun.
  Context& running() noexcept { return *get(active); }
  // nullptr: there is none of that name.
  Context* get(ContextId id) noexcept {
    if (id == kMainContext) {
      return &main;
    }
    const auto found = contexts.find(id);
    return found != contexts.end() ? found->second.get() : nullptr;
  }

  Context main;
  // The exported function that it began in.
  std::string entry;
  std::vector<std::uint64_t> arguments;
  std::map<ContextId, std::unique_ptr<Context>> contexts;
  ContextId active = kMainContext;
};

}  // namespace selvedge::wasix
