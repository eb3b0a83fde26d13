#include "wasix/epoll.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"

namespace selvedge::wasix {

namespace {

constexpr std::size_t kOrphansSoughtAtLeastAt = 64;

// The bits that say what happened, of those that an interest is made of.
constexpr EpollType kConditions =
    EpollType::kIn | EpollType::kOut | EpollType::kRdhup | EpollType::kErr | EpollType::kHup;

}  // namespace

// In idle_ or ready_, at `position`; never moved in memory.
struct EpollHandle::Entry {
  class Observer final : public io::EventObserver {
   public:
    explicit Observer(Entry& entry) noexcept : EventObserver(&Observer::told), entry_(entry) {}

   private:
    static void told(io::EventObserver& observer) noexcept {
      Entry& entry = static_cast<Observer&>(observer).entry_;
      entry.owner.mark_ready(entry);
    }
    Entry& entry_;
  };

  Entry(EpollHandle& epoll, Key its_key, const std::shared_ptr<Handle>& its_handle) noexcept
      : owner(epoll), key(its_key), handle(its_handle) {}

  // What is to be reported of `target`, its handle.
  EpollType conditions(Handle& target) const {
    EpollType found = EpollType::kNone;
    Readiness read{};
    Readiness write{};
    if (reads) {
      read = target.read_readiness();
      found |= read.ready ? EpollType::kIn : EpollType::kNone;
      found |= read.ended ? EpollType::kRdhup : EpollType::kNone;
    }
    if (writes) {
      write = target.write_readiness();
      found |= write.ready ? EpollType::kOut : EpollType::kNone;
    }
    // A descriptor of one direction, an end of a pipe, tells by kHup that no writer is left, and by
    // kErr that no reader is.
    if (read.hangup && (write.hangup || !writes)) {
      found |= EpollType::kHup;
    } else if (write.hangup && !reads) {
      found |= EpollType::kErr;
    }
    found |= read.error || write.error ? EpollType::kErr : EpollType::kNone;
    return found & (interest.events | EpollType::kHup | EpollType::kErr) & kConditions;
  }

  EpollHandle& owner;
  const Key key;
  const std::weak_ptr<Handle> handle;
  Interest interest;
  bool reads = false;   // the descriptor may be read
  bool writes = false;  // the descriptor may be written
  bool ready = false;   // it is in ready_
  bool spent = false;   // a oneshot entry that has reported
  Observer readable{*this};
  Observer writable{*this};
  Entries::iterator position;
};

EpollHandle::EpollHandle(io::Reactor& reactor, std::shared_ptr<EpollUsage> usage) noexcept
    : usage_(std::move(usage)), orphans_sought_at_(kOrphansSoughtAtLeastAt), readable_(reactor) {}

EpollHandle::~EpollHandle() { usage_->entries -= entries_.size(); }

Errno EpollHandle::add(GuestFd fd, const Descriptor& descriptor, const Interest& interest) {
  if (descriptor.handle->as_epoll() != nullptr) {
    return Errno::kLoop;
  }
  if (descriptor.handle->as_file() != nullptr || descriptor.handle->as_directory() != nullptr) {
    return Errno::kPerm;
  }
  if (!has_all(descriptor.rights_base, Rights::kPollFdReadwrite)) {
    return Errno::kNotcapable;
  }
  if (find(fd, descriptor.handle.get()) != entries_.end()) {
    return Errno::kExist;
  }
  if (entries_.size() >= orphans_sought_at_ || usage_->entries >= kEntriesMax) {
    erase_orphans();
  }
  if (usage_->entries >= kEntriesMax) {
    return Errno::kNospc;
  }
  const Key key{fd, descriptor.handle.get()};
  Entry& entry = idle_.emplace_back(*this, key, descriptor.handle);
  entry.position = std::prev(idle_.end());
  entries_.emplace(key, entry.position);
  ++usage_->entries;
  watch(entry, descriptor, interest);
  return Errno::kSuccess;
}

Errno EpollHandle::modify(GuestFd fd, const Descriptor& descriptor, const Interest& interest) {
  const auto found = find(fd, descriptor.handle.get());
  if (found == entries_.end()) {
    return Errno::kNoent;
  }
  watch(*found->second, descriptor, interest);
  return Errno::kSuccess;
}

Errno EpollHandle::remove(GuestFd fd, const Descriptor& descriptor) {
  const auto found = find(fd, descriptor.handle.get());
  if (found == entries_.end()) {
    return Errno::kNoent;
  }
  erase(*found->second);
  return Errno::kSuccess;
}

std::vector<abi::EpollEvent> EpollHandle::collect(std::size_t count_max) {
  SELVEDGE_DCHECK(count_max > 0);
  std::vector<abi::EpollEvent> events;
  Entries reported;
  for (EpollType found = find_ready(); found != EpollType::kNone; found = find_ready()) {
    Entry& entry = ready_.front();
    events.push_back({.events = found, .padding = 0, .data = entry.interest.data});
    entry.spent = has_any(entry.interest.events, EpollType::kOneshot);
    if (entry.spent || has_any(entry.interest.events, EpollType::kEdge)) {
      mark_idle(entry);
    } else {
      reported.splice(reported.end(), ready_, entry.position);
    }
    if (events.size() == count_max) {
      break;
    }
  }
  // Behind the others: a few that are always ready do not hide the rest.
  ready_.splice(ready_.end(), reported);
  if (ready_.empty()) {
    readable_.reset();
  }
  return events;
}

ErrnoResult<std::size_t> EpollHandle::try_read(std::span<const MutableByteSpan> /*buffers*/) {
  return refuse(Errno::kInval);
}

Readiness EpollHandle::read_readiness() {
  const bool ready = find_ready() != EpollType::kNone;
  if (!ready) {
    readable_.reset();
  }
  return {.ready = ready};
}

EpollHandle::Index::iterator EpollHandle::find(GuestFd fd, const Handle* handle) {
  const auto found = entries_.find({fd, handle});
  if (found != entries_.end() && found->second->handle.expired()) {
    erase(*found->second);
    return entries_.end();
  }
  return found;
}

void EpollHandle::watch(Entry& entry, const Descriptor& descriptor, const Interest& interest) {
  Handle& handle = *descriptor.handle;
  entry.interest = interest;
  entry.spent = false;
  entry.reads = has_all(descriptor.rights_base, Rights::kFdRead);
  entry.writes = has_all(descriptor.rights_base, Rights::kFdWrite);
  entry.readable.unlink();
  entry.writable.unlink();
  if (io::Event* const event = handle.readable(); event != nullptr && entry.reads) {
    event->observe(entry.readable);
  }
  // Of a handle that is also read, a hangup is seen there: without an interest in writing, each
  // piece of output that leaves would make the entry be looked at for nothing.
  if (io::Event* const event = handle.writable();
      event != nullptr && entry.writes &&
      (has_any(interest.events, EpollType::kOut) || !entry.reads)) {
    event->observe(entry.writable);
  }
  if (entry.conditions(handle) != EpollType::kNone) {
    mark_ready(entry);
  } else {
    mark_idle(entry);
  }
}

void EpollHandle::mark_ready(Entry& entry) noexcept {
  if (entry.ready || entry.spent) {
    return;
  }
  entry.ready = true;
  ready_.splice(ready_.end(), idle_, entry.position);
  if (!readable_.is_set()) {
    readable_.set();
  }
}

void EpollHandle::mark_idle(Entry& entry) noexcept {
  if (std::exchange(entry.ready, false)) {
    idle_.splice(idle_.end(), ready_, entry.position);
  }
}

EpollType EpollHandle::find_ready() {
  while (!ready_.empty()) {
    Entry& entry = ready_.front();
    const std::shared_ptr<Handle> handle = entry.handle.lock();
    if (handle == nullptr) {
      erase(entry);
      continue;
    }
    const EpollType found = entry.conditions(*handle);
    if (found != EpollType::kNone) {
      return found;
    }
    mark_idle(entry);
  }
  return EpollType::kNone;
}

void EpollHandle::erase(Entry& entry) {
  entries_.erase(entry.key);
  --usage_->entries;
  Entries& list = entry.ready ? ready_ : idle_;
  list.erase(entry.position);
}

void EpollHandle::erase_orphans() {
  for (auto next = entries_.begin(); next != entries_.end();) {
    Entry& entry = *next->second;
    ++next;
    if (entry.handle.expired()) {
      erase(entry);
    }
  }
  orphans_sought_at_ = std::max(2 * entries_.size(), kOrphansSoughtAtLeastAt);
}

}  // namespace selvedge::wasix
