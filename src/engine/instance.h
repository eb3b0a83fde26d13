#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <native.h>

#include "base/clock.h"
#include "base/result.h"
#include "engine/fiber.h"
#include "engine/host_context.h"
#include "engine/module.h"

namespace selvedge::engine {

class LinkMap;

// The libraries of an instance's process; nullptr: it can load none.
struct InstanceLinks {
  const LinkMap* map = nullptr;
  // Instances with the same number, contexts of one thread, have the same thread-local variables.
  std::uint32_t thread = 0;
};

// Counts the memory of several instances together. Implemented by the embedder; one shard's.
class MemoryAccount {
 public:
  virtual ~MemoryAccount() = default;
  // An instance asks for `bytes` more; false refuses.
  virtual bool reserve(std::size_t bytes) noexcept = 0;
  virtual void release(std::size_t bytes) noexcept = 0;
  // Growth was refused, by this account or by a limit of an instance that it counts.
  virtual void note_refusal() noexcept {}
  // What was refused, for sentences: "the limit of 5 bytes that ...".
  virtual std::string limit_text() const = 0;
};

// CPU time of several fibers together, which is also part of another sum. One shard's.
struct CpuTimeSum {
  base::Duration total{};
  CpuTimeSum* outer = nullptr;
};

struct InstanceLimits {
  // What growth past a maximum does: refuse (the guest sees -1 and may handle it), or end
  // the guest with kMemoryLimit or kTableLimit.
  enum class OnGrowth : unsigned char { kRefuse, kEnd };

  std::uint64_t memory_bytes_max = std::uint64_t{1} << 30;
  OnGrowth on_growth = OnGrowth::kRefuse;
  std::uint64_t table_elements_max = 1 << 20;
  // Sum over all fibers of the instance. Checked at each slice's end: overrun is below two ticks.
  std::optional<base::Duration> cpu_time_max = std::nullopt;
  // Where CPU time is summed too; the limit then holds for the outermost sum. Optional; outlives
  // the instance.
  CpuTimeSum* cpu_time_sum = nullptr;
  // Optional; outlives the instance.
  MemoryAccount* account = nullptr;
};

// One isolated run-time copy of a module: memory, tables, globals. Belongs to one shard at a time.
// An instance that trapped, was killed or exited must not be called again.
class Instance {
 public:
  // `context` is the guest thread's host side; it and `linked` (kept alive here) outlive nothing
  // less than the instance.
  // Cheap: the pool slot is taken when the first fiber runs.
  static Result<std::unique_ptr<Instance>> create(std::shared_ptr<const LinkedModule> linked,
                                                  HostContext& context,
                                                  const InstanceLimits& limits = {},
                                                  const InstanceLinks& links = {});
  // The fibers are gone before.
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // A fiber that will call the exported function `name` with these values (as bits of Wasm
  // values), after instantiating and running the module's start function when this is the first.
  // Invalid when there is no such function or its parameters differ; Overloaded while another fiber
  // of the instance exists.
  Result<std::unique_ptr<Fiber>> call(std::string_view name,
                                      std::span<const std::uint64_t> arguments);
  Result<std::unique_ptr<Fiber>> call(std::string_view name,
                                      std::initializer_list<std::uint64_t> arguments = {}) {
    return call(name, std::span(arguments.begin(), arguments.size()));
  }
  // The same for a context beside the main one of a guest thread: calls the function at element
  // `index` of the module's table, which HostContext::can_enter() has said that it can begin in.
  Result<std::unique_ptr<Fiber>> call_element(std::uint32_t index);

  const LinkedModule& linked() const noexcept [[clang::lifetimebound]] { return *linked_; }
  HostContext& context() const noexcept [[clang::lifetimebound]] { return context_; }
  const InstanceLimits& limits() const noexcept [[clang::lifetimebound]] { return limits_; }
  // Another thread than its host's may run it between two host calls: it shares its memory with
  // other instances, and loads no libraries.
  bool may_leave() const noexcept { return may_leave_; }
  // CPU time of all its fibers so far.
  base::Duration cpu_time() const noexcept { return cpu_time_; }
  // Present size of its memories.
  std::size_t memory_bytes() const noexcept { return memory_bytes_; }
  // A growth was refused since the beginning.
  bool memory_was_refused() const noexcept { return !memory_refusal_.empty(); }
  // For host functions that grow a memory by themselves: `limit` is in the way of it.
  void note_memory_refusal(std::string limit) noexcept { memory_refusal_ = std::move(limit); }
  // The limit that it would have passed, for a sentence.
  const std::string& memory_refusal() const noexcept [[clang::lifetimebound]] {
    return memory_refusal_;
  }

 private:
  friend class Fiber;
  Instance(std::shared_ptr<const LinkedModule> linked, HostContext& context,
           const InstanceLimits& limits, const InstanceLinks& links) noexcept;

  static native::GrowDecision memory_growing(native::GuestContext* guest, std::size_t current,
                                             std::size_t desired) noexcept;
  static native::GrowDecision table_growing(native::GuestContext* guest, std::size_t current,
                                            std::size_t desired) noexcept;

  std::shared_ptr<const LinkedModule> linked_;
  HostContext& context_;
  InstanceLimits limits_;
  native::GuestStore* store_ = nullptr;
  base::Duration cpu_time_{};
  std::size_t memory_bytes_ = 0;
  bool may_leave_ = false;
  std::string memory_refusal_;
};

}  // namespace selvedge::engine
