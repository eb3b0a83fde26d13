#pragma once

// Which guest runs next on a shard: a pure data structure, without clocks, threads or guests.
//
// Tenants share by virtual runtime: a tenant's runtime grows with the time its entries used,
// divided by its weight, and the tenant that is furthest behind runs next. A tenant that is new or
// comes back from idleness starts at the present minimum less a small credit, so that it runs soon
// but cannot save up time; one that left with debt finds it again while others still catch up.
//
// Entries of one tenant run in order of readiness. An entry that used up kBurnedSlicesMax slices in
// a row is a burner: it runs only when the tenant has no other ready entry, but at least once in
// kBurnerTurn of the tenant's turns.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/strong_id.h"

namespace selvedge::engine {

using TenantId = base::StrongId<struct TenantIdTag, std::uint64_t>;

inline constexpr std::uint32_t kTenantWeightDefault = 1024;
inline constexpr std::uint32_t kTenantWeightMax = 1 << 20;
inline constexpr std::uint8_t kBurnedSlicesMax = 4;
inline constexpr std::uint32_t kBurnerTurn = 8;
// How far behind the minimum a tenant may start when it becomes ready.
inline constexpr base::Duration kWakeupCredit = std::chrono::milliseconds(1);
// Idle tenants whose debt is remembered.
inline constexpr std::size_t kIdleTenantsMax = 4096;

class RunQueue {
  struct Tenant;

 public:
  // One thing that can run. Owned by the caller, at a fixed address from attach to detach.
  class Entry {
   public:
    Entry() noexcept = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    bool attached() const noexcept { return tenant_ != nullptr; }
    bool queued() const noexcept { return queued_; }
    bool burner() const noexcept { return burned_slices_ >= kBurnedSlicesMax; }

   private:
    friend class RunQueue;
    Tenant* tenant_ = nullptr;
    Entry* previous_ = nullptr;
    Entry* next_ = nullptr;
    std::uint8_t burned_slices_ = 0;
    bool queued_ = false;
    bool in_burners_ = false;
  };

  RunQueue();
  ~RunQueue();
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;

  // Makes the entry one of the tenant's. The tenant's weight becomes `weight` (1 to
  // kTenantWeightMax).
  void attach(Entry& entry, TenantId tenant, std::uint32_t weight);
  // Forgets the entry, queued or not.
  void detach(Entry& entry) noexcept;

  // The entry is ready: puts it behind its tenant's other ready ones. No effect when queued.
  void push(Entry& entry);
  // Takes out the entry that is to run next; nullptr when none is ready.
  Entry* pop() noexcept;
  // Charges what an entry used in its turn. `burned`: it was still running at the slice's end.
  void charge(Entry& entry, base::Duration used, bool burned) noexcept;

  bool empty() const noexcept { return ready_count_ == 0; }
  std::size_t ready_count() const noexcept { return ready_count_; }
  std::size_t tenant_count() const noexcept { return tenants_.size(); }

 private:
  struct List {
    Entry* first = nullptr;
    Entry* last = nullptr;
  };
  struct Tenant {
    TenantId id;
    std::uint32_t weight = kTenantWeightDefault;
    std::uint32_t turns = 0;
    std::size_t entry_count = 0;
    // Nanoseconds at the default weight.
    std::uint64_t virtual_runtime = 0;
    std::size_t heap_index = kNotInHeap;
    List ready;
    List burners;
  };
  static constexpr std::size_t kNotInHeap = SIZE_MAX;

  static void append(List& list, Entry& entry) noexcept;
  static void unlink(List& list, Entry& entry) noexcept;
  Entry* take_next(Tenant& tenant) noexcept;
  void forget_idle_tenants() noexcept;

  // Binary heap of the tenants with ready entries, least virtual runtime first.
  bool before(const Tenant& a, const Tenant& b) const noexcept;
  void heap_insert(Tenant& tenant);
  void heap_remove(Tenant& tenant) noexcept;
  void heap_up(std::size_t index) noexcept;
  void heap_down(std::size_t index) noexcept;

  std::unordered_map<TenantId, std::unique_ptr<Tenant>> tenants_;
  std::vector<Tenant*> heap_;
  std::size_t ready_count_ = 0;
  std::size_t idle_count_ = 0;
  // Never falls: the virtual runtime of the tenant that ran last, or of the least ready one.
  std::uint64_t minimum_ = 0;
};

}  // namespace selvedge::engine
