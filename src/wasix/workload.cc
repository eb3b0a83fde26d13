#include "wasix/workload.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "wasix/process.h"

namespace selvedge::wasix {

void WorkloadMemory::set_limit(std::uint64_t bytes_max, engine::MemoryAccount* outer) noexcept {
  bytes_max_ = bytes_max;
  outer_ = outer;
}

bool WorkloadMemory::reserve(std::size_t bytes) noexcept {
  if (bytes > bytes_max_ - used_ || (outer_ != nullptr && !outer_->reserve(bytes))) {
    return false;
  }
  used_ += bytes;
  return true;
}

void WorkloadMemory::release(std::size_t bytes) noexcept {
  SELVEDGE_DCHECK(bytes <= used_);
  used_ -= bytes;
  if (outer_ != nullptr) {
    outer_->release(bytes);
  }
}

std::string WorkloadMemory::limit_text() const {
  return fmt::format("the limit of {} bytes for all processes of the workload", bytes_max_);
}

Workload::Workload(io::Reactor& reactor, WorkloadOptions options) noexcept
    : options_(options), process_ended_(reactor) {}

Workload::~Workload() { clear(); }

ProcessId Workload::enter(Process& process, ProcessId parent) {
  const ProcessId id = next_id_++;
  entries_.emplace(id, Entry{.parent = parent, .process = &process, .owned = nullptr});
  return id;
}

void Workload::ended(ProcessId id) noexcept {
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return;
  }
  found->second.ended = true;
  for (auto& [child, entry] : entries_) {
    if (entry.parent == id) {
      entry.parent = kFirstProcess;
    }
  }
  if (Process* const parent = find(found->second.parent)) {
    parent->signal(Signal::kChld);
  }
  process_ended_.notify();
}

void Workload::leave(ProcessId id) noexcept {
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return;
  }
  SELVEDGE_DCHECK(found->second.owned == nullptr);
  entries_.erase(found);
  // Its parent may be waiting for any child, and have none now.
  process_ended_.notify();
}

void Workload::clear() noexcept {
  // A process that is destroyed reports its end, which must not find the table half gone.
  auto ending = std::exchange(entries_, {});
  for (const auto& [id, entry] : ending) {
    if (entry.owned != nullptr) {
      entry.owned->drop_threads();
    }
  }
}

void Workload::end(const ExitStatus& status) {
  if (Process* const first = find(kFirstProcess)) {
    first->end_by_limit(status);
  }
}

void Workload::signal_all(Signal signal) noexcept {
  // One that ends may take others with it.
  for (const ProcessId id : process_ids()) {
    if (Process* const process = find(id)) {
      static_cast<void>(process->signal(signal));
    }
  }
}

ErrnoResult<> Workload::check_room() {
  if (entries_.size() >= options_.processes_max) {
    reap_orphans();
  }
  if (entries_.size() >= options_.processes_max) {
    return refuse(Errno::kAgain);
  }
  return {};
}

// Zombies whose parent is the first process but which it did not start may never be joined; when
// room is needed they go.
void Workload::reap_orphans() noexcept {
  std::erase_if(entries_, [this](const auto& item) {
    const Entry& entry = item.second;
    const Process* const process = entry.owned.get();
    return process != nullptr && entry.ended && process->original_parent() != entry.parent &&
           !entries_.contains(process->original_parent());
  });
}

void Workload::adopt(std::unique_ptr<Process> child) {
  const auto found = entries_.find(child->id());
  SELVEDGE_ASSERT(found != entries_.end());
  found->second.owned = std::move(child);
}

Process* Workload::find(ProcessId id) const noexcept {
  const auto found = entries_.find(id);
  return found != entries_.end() ? found->second.process : nullptr;
}

std::optional<ProcessId> Workload::parent_of(ProcessId id) const noexcept {
  const auto found = entries_.find(id);
  return found != entries_.end() ? std::optional(found->second.parent) : std::nullopt;
}

std::vector<ProcessId> Workload::process_ids() const {
  std::vector<ProcessId> ids;
  std::ranges::copy(std::views::keys(entries_), std::back_inserter(ids));
  return ids;
}

bool Workload::has_children(ProcessId parent) const noexcept {
  return std::ranges::any_of(entries_,
                             [parent](const auto& item) { return item.second.parent == parent; });
}

bool Workload::is_child(ProcessId parent, ProcessId child) const noexcept {
  const auto found = entries_.find(child);
  return found != entries_.end() && found->second.parent == parent;
}

std::optional<ProcessId> Workload::ended_child(ProcessId parent, ProcessId wanted) const noexcept {
  for (const auto& [id, entry] : entries_) {
    if (entry.parent == parent && entry.ended && (wanted == 0 || id == wanted)) {
      return id;
    }
  }
  return std::nullopt;
}

void Workload::reap(ProcessId child) noexcept {
  const auto found = entries_.find(child);
  SELVEDGE_DCHECK(found != entries_.end() && found->second.ended);
  // Out of the table before it is destroyed.
  const auto ending = entries_.extract(found);
}

}  // namespace selvedge::wasix
