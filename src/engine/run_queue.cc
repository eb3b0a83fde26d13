#include "engine/run_queue.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace selvedge::engine {
namespace {

constexpr std::uint64_t kCreditNanoseconds =
    static_cast<std::uint64_t>(std::chrono::nanoseconds(kWakeupCredit).count());

}  // namespace

RunQueue::RunQueue() = default;
RunQueue::~RunQueue() = default;

void RunQueue::attach(Entry& entry, TenantId tenant, std::uint32_t weight) {
  SELVEDGE_ASSERT(!entry.attached());
  SELVEDGE_ASSERT(weight >= 1 && weight <= kTenantWeightMax);
  std::unique_ptr<Tenant>& slot = tenants_[tenant];
  if (slot == nullptr) {
    slot = std::make_unique<Tenant>();
    slot->id = tenant;
  } else if (slot->entry_count == 0) {
    --idle_count_;
  }
  slot->weight = weight;
  ++slot->entry_count;
  entry.tenant_ = slot.get();
  entry.burned_slices_ = 0;
}

void RunQueue::detach(Entry& entry) noexcept {
  SELVEDGE_ASSERT(entry.attached());
  Tenant& tenant = *entry.tenant_;
  if (entry.queued_) {
    unlink(entry.in_burners_ ? tenant.burners : tenant.ready, entry);
    entry.queued_ = false;
    --ready_count_;
    if (tenant.ready.first == nullptr && tenant.burners.first == nullptr) {
      heap_remove(tenant);
    }
  }
  entry.tenant_ = nullptr;
  if (--tenant.entry_count > 0) {
    return;
  }
  // Debt is remembered for a while, so that ending and coming back does not clear it.
  if (tenant.virtual_runtime <= minimum_) {
    tenants_.erase(tenant.id);
    return;
  }
  ++idle_count_;
  if (idle_count_ > kIdleTenantsMax) {
    forget_idle_tenants();
  }
}

void RunQueue::push(Entry& entry) {
  SELVEDGE_ASSERT(entry.attached());
  if (entry.queued_) {
    return;
  }
  Tenant& tenant = *entry.tenant_;
  entry.in_burners_ = entry.burner();
  append(entry.in_burners_ ? tenant.burners : tenant.ready, entry);
  entry.queued_ = true;
  ++ready_count_;
  if (tenant.heap_index == kNotInHeap) {
    const std::uint64_t floor = minimum_ > kCreditNanoseconds ? minimum_ - kCreditNanoseconds : 0;
    tenant.virtual_runtime = std::max(tenant.virtual_runtime, floor);
    heap_insert(tenant);
  }
}

RunQueue::Entry* RunQueue::pop() noexcept {
  if (heap_.empty()) {
    return nullptr;
  }
  Tenant& tenant = *heap_.front();
  minimum_ = std::max(minimum_, tenant.virtual_runtime);
  Entry* entry = take_next(tenant);
  entry->queued_ = false;
  --ready_count_;
  if (tenant.ready.first == nullptr && tenant.burners.first == nullptr) {
    heap_remove(tenant);
  }
  return entry;
}

RunQueue::Entry* RunQueue::take_next(Tenant& tenant) noexcept {
  ++tenant.turns;
  const bool burners_turn = tenant.turns % kBurnerTurn == 0;
  const bool burner =
      tenant.burners.first != nullptr && (tenant.ready.first == nullptr || burners_turn);
  List& list = burner ? tenant.burners : tenant.ready;
  Entry* entry = list.first;
  unlink(list, *entry);
  return entry;
}

void RunQueue::charge(Entry& entry, base::Duration used, bool burned) noexcept {
  SELVEDGE_ASSERT(entry.attached());
  if (!burned) {
    entry.burned_slices_ = 0;
  } else if (entry.burned_slices_ < kBurnedSlicesMax) {
    ++entry.burned_slices_;
  }
  Tenant& tenant = *entry.tenant_;
  const auto nanoseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(used.count(), 0));
  tenant.virtual_runtime += nanoseconds * kTenantWeightDefault / tenant.weight;
  if (tenant.heap_index != kNotInHeap) {
    heap_down(tenant.heap_index);
  }
}

void RunQueue::append(List& list, Entry& entry) noexcept {
  entry.previous_ = list.last;
  entry.next_ = nullptr;
  (list.last == nullptr ? list.first : list.last->next_) = &entry;
  list.last = &entry;
}

void RunQueue::unlink(List& list, Entry& entry) noexcept {
  (entry.previous_ == nullptr ? list.first : entry.previous_->next_) = entry.next_;
  (entry.next_ == nullptr ? list.last : entry.next_->previous_) = entry.previous_;
  entry.previous_ = nullptr;
  entry.next_ = nullptr;
}

void RunQueue::forget_idle_tenants() noexcept {
  // Past the bound every idle tenant is forgiven: rare, linear, and no worse than a short debt
  // lost.
  std::erase_if(tenants_, [](const auto& item) { return item.second->entry_count == 0; });
  idle_count_ = 0;
}

bool RunQueue::before(const Tenant& a, const Tenant& b) const noexcept {
  return a.virtual_runtime != b.virtual_runtime ? a.virtual_runtime < b.virtual_runtime
                                                : a.id < b.id;
}

void RunQueue::heap_insert(Tenant& tenant) {
  tenant.heap_index = heap_.size();
  heap_.push_back(&tenant);
  heap_up(tenant.heap_index);
}

void RunQueue::heap_remove(Tenant& tenant) noexcept {
  const std::size_t index = tenant.heap_index;
  Tenant* last = heap_.back();
  heap_.pop_back();
  tenant.heap_index = kNotInHeap;
  if (last != &tenant) {
    heap_[index] = last;
    last->heap_index = index;
    heap_up(index);
    heap_down(last->heap_index);
  }
}

void RunQueue::heap_up(std::size_t index) noexcept {
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (!before(*heap_[index], *heap_[parent])) {
      return;
    }
    std::swap(heap_[index], heap_[parent]);
    heap_[index]->heap_index = index;
    heap_[parent]->heap_index = parent;
    index = parent;
  }
}

void RunQueue::heap_down(std::size_t index) noexcept {
  while (true) {
    std::size_t least = index;
    for (const std::size_t child : {2 * index + 1, 2 * index + 2}) {
      if (child < heap_.size() && before(*heap_[child], *heap_[least])) {
        least = child;
      }
    }
    if (least == index) {
      return;
    }
    std::swap(heap_[index], heap_[least]);
    heap_[index]->heap_index = index;
    heap_[least]->heap_index = least;
    index = least;
  }
}

}  // namespace selvedge::engine
