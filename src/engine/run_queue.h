#pragma once

// Which guest runs next on a shard: a pure data structure, without clocks, threads or guests.
//
// Tenants share the shard by weight (fair_heap.h), and so do a tenant's groups, which are equal: a
// group is what one workload runs, however many threads and processes that is. A tenant that leaves
// with debt finds it again while others still catch up.
//
// Entries of one group run in order of readiness. An entry that used up kBurnedSlicesMax slices in
// a row is a burner: it runs only when its group has no other ready entry, but at least once in
// kBurnerTurn of the group's turns.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/clock.h"
#include "base/strong_id.h"
#include "engine/fair_heap.h"

namespace selvedge::engine {

using TenantId = base::StrongId<struct TenantIdTag, std::uint64_t>;

inline constexpr std::uint32_t kTenantWeightDefault = kWeightDefault;
inline constexpr std::uint32_t kTenantWeightMax = 1 << 20;
inline constexpr std::uint8_t kBurnedSlicesMax = 4;
inline constexpr std::uint32_t kBurnerTurn = 8;
// A longer turn is doubted when it was measured by the clock on the wall; so many are then measured
// exactly.
inline constexpr base::Duration kLongTurn = std::chrono::microseconds(100);
inline constexpr std::uint8_t kExactTurns = 16;
// Idle tenants whose debt is remembered.
inline constexpr std::size_t kIdleTenantsMax = 4096;

class RunQueue {
  struct Tenant;

 public:
  class Entry;

 private:
  struct List {
    Entry* first = nullptr;
    Entry* last = nullptr;
  };

 public:
  // What shares its turns: the entries of one workload. Owned by the caller, at a fixed address
  // while entries are attached.
  class Group : FairHeap::Node {
   public:
    // The tenant's weight becomes `weight` (1 to kTenantWeightMax) with the first entry.
    explicit Group(TenantId tenant, std::uint32_t weight = kTenantWeightDefault) noexcept
        : id_(tenant), tenant_weight_(weight) {}

    // Whether its next turn is to be measured by CPU time: it had a long one lately. The clock on
    // the wall is cheaper to read, and wrong only when the thread does not run for a while.
    bool measured_exactly() const noexcept { return exact_turns_left_ > 0; }
    // What a turn is charged with that took `used`, measured so or by the clock on the wall.
    base::Duration to_charge(base::Duration used, bool exactly) noexcept;

   private:
    friend class RunQueue;
    bool ready() const noexcept { return ready_.first != nullptr || burners_.first != nullptr; }

    TenantId id_;
    std::uint32_t tenant_weight_;
    Tenant* tenant_ = nullptr;
    std::size_t entry_count_ = 0;
    std::uint32_t turns_ = 0;
    std::uint8_t exact_turns_left_ = 0;
    bool had_long_turn_ = false;
    List ready_;
    List burners_;
  };

  // One thing that can run. Owned by the caller, at a fixed address from attach to detach.
  class Entry {
   public:
    Entry() noexcept = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    bool attached() const noexcept { return group_ != nullptr; }
    bool queued() const noexcept { return queued_; }
    bool burner() const noexcept { return burned_slices_ >= kBurnedSlicesMax; }

   private:
    friend class RunQueue;
    Group* group_ = nullptr;
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

  // Makes the entry one of the group's, all of whose entries are in this queue.
  void attach(Entry& entry, Group& group);
  // Forgets the entry, queued or not.
  void detach(Entry& entry) noexcept;

  // The entry is ready: puts it behind its group's other ready ones. No effect when queued.
  void push(Entry& entry);
  // Takes out the entry that is to run next; nullptr when none is ready.
  Entry* pop() noexcept;
  // Charges what an entry used in its turn. `burned`: it was still running at the slice's end.
  void charge(Entry& entry, base::Duration used, bool burned) noexcept;

  bool empty() const noexcept { return ready_count_ == 0; }
  std::size_t ready_count() const noexcept { return ready_count_; }
  std::size_t tenant_count() const noexcept { return tenants_.size(); }

 private:
  struct Tenant : FairHeap::Node {
    TenantId id;
    std::size_t group_count = 0;
    FairHeap groups;
  };

  static void append(List& list, Entry& entry) noexcept;
  static void unlink(List& list, Entry& entry) noexcept;
  static Entry& take_next(Group& group) noexcept;
  void enter(Group& group);
  void leave(Group& group) noexcept;
  // After an entry was taken out of its group's lists.
  void settle(Group& group) noexcept;
  void forget_idle_tenants() noexcept;

  std::unordered_map<TenantId, std::unique_ptr<Tenant>> tenants_;
  FairHeap ready_;
  std::size_t ready_count_ = 0;
  std::size_t idle_count_ = 0;
};

}  // namespace selvedge::engine
