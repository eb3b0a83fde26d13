#include "engine/run_queue.h"

#include <utility>

#include "base/assert.h"

namespace selvedge::engine {

RunQueue::RunQueue() = default;
RunQueue::~RunQueue() = default;

base::Duration RunQueue::Group::to_charge(base::Duration used, bool exactly) noexcept {
  if (used <= kLongTurn) {
    exact_turns_left_ -= exactly ? 1 : 0;
    return used;
  }
  exact_turns_left_ = kExactTurns;
  // The benefit of the doubt is given once: most groups are short, and it must not pay to go on.
  return exactly || std::exchange(had_long_turn_, true) ? used : kLongTurn;
}

void RunQueue::attach(Entry& entry, Group& group) {
  SELVEDGE_ASSERT(!entry.attached());
  if (group.entry_count_++ == 0) {
    enter(group);
  }
  entry.group_ = &group;
  entry.burned_slices_ = 0;
}

void RunQueue::enter(Group& group) {
  SELVEDGE_ASSERT(group.tenant_weight_ >= 1 && group.tenant_weight_ <= kTenantWeightMax);
  std::unique_ptr<Tenant>& slot = tenants_[group.id_];
  if (slot == nullptr) {
    slot = std::make_unique<Tenant>();
    slot->id = group.id_;
  } else if (slot->group_count == 0) {
    --idle_count_;
  }
  group.tenant_ = slot.get();
  if (++slot->group_count == 1) {
    slot->set_weight(group.tenant_weight_);
  }
}

void RunQueue::detach(Entry& entry) noexcept {
  SELVEDGE_ASSERT(entry.attached());
  Group& group = *std::exchange(entry.group_, nullptr);
  if (std::exchange(entry.queued_, false)) {
    unlink(entry.in_burners_ ? group.burners_ : group.ready_, entry);
    settle(group);
  }
  if (--group.entry_count_ == 0) {
    leave(group);
  }
}

void RunQueue::leave(Group& group) noexcept {
  Tenant& tenant = *std::exchange(group.tenant_, nullptr);
  if (--tenant.group_count > 0) {
    return;
  }
  // Debt is remembered for a while, so that ending and coming back does not clear it.
  if (!ready_.in_debt(tenant)) {
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
  Group& group = *entry.group_;
  entry.in_burners_ = entry.burner();
  append(entry.in_burners_ ? group.burners_ : group.ready_, entry);
  entry.queued_ = true;
  ++ready_count_;
  Tenant& tenant = *group.tenant_;
  if (!group.in_heap()) {
    tenant.groups.insert(group);
  }
  if (!tenant.in_heap()) {
    ready_.insert(tenant);
  }
}

RunQueue::Entry* RunQueue::pop() noexcept {
  if (ready_.empty()) {
    return nullptr;
  }
  auto& group = static_cast<Group&>(static_cast<Tenant&>(ready_.next()).groups.next());
  Entry& entry = take_next(group);
  entry.queued_ = false;
  settle(group);
  return &entry;
}

void RunQueue::settle(Group& group) noexcept {
  --ready_count_;
  Tenant& tenant = *group.tenant_;
  if (!group.ready()) {
    tenant.groups.remove(group);
  }
  if (tenant.groups.empty()) {
    ready_.remove(tenant);
  }
}

RunQueue::Entry& RunQueue::take_next(Group& group) noexcept {
  ++group.turns_;
  const bool burners_turn = group.turns_ % kBurnerTurn == 0;
  const bool burner =
      group.burners_.first != nullptr && (group.ready_.first == nullptr || burners_turn);
  List& list = burner ? group.burners_ : group.ready_;
  Entry* entry = list.first;
  unlink(list, *entry);
  return *entry;
}

void RunQueue::charge(Entry& entry, base::Duration used, bool burned) noexcept {
  SELVEDGE_ASSERT(entry.attached());
  if (!burned) {
    entry.burned_slices_ = 0;
  } else if (entry.burned_slices_ < kBurnedSlicesMax) {
    ++entry.burned_slices_;
  }
  Group& group = *entry.group_;
  group.tenant_->groups.charge(group, used);
  ready_.charge(*group.tenant_, used);
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
  std::erase_if(tenants_, [](const auto& item) { return item.second->group_count == 0; });
  idle_count_ = 0;
}

}  // namespace selvedge::engine
