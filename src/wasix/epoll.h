#pragma once

// A guest's epoll: tells which of many handles are ready, at a cost that grows with those that are
// and not with those that are watched.
//
// Every entry observes the events of its handle. When one of them is set, the entry moves to the
// list of those that may be ready; collect() looks only at these, and moves the ones that are not
// ready back. An entry that is level-triggered stays in the list after it was reported, until it is
// found not ready; one that is edge-triggered leaves it until the next event.
//
// An entry belongs to a descriptor's number and to the handle behind it, as on Linux: it goes when
// the last descriptor of the handle is closed, and stays when only its number is. It does not keep
// the handle alive. One epoll does not watch another: nothing recurses, and no cycle exists.

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "io/event.h"
#include "io/reactor.h"
#include "wasix/abi_handles.h"
#include "wasix/handle.h"
#include "wasix/handle_table.h"

namespace selvedge::wasix {

// What all epolls of a process have in common: owned by the process, and by its epolls, which
// another process may have inherited.
struct EpollUsage {
  std::size_t entries = 0;
};

// One shard's thread.
class EpollHandle final : public Handle {
 public:
  // Entries of all epolls of a process together: each epoll may watch every descriptor.
  static constexpr std::size_t kEntriesMax = HandleTable::kHandlesMax;

  // What an entry is to report, and the guest's data that comes with it.
  struct Interest {
    EpollType events = EpollType::kNone;
    std::array<std::uint64_t, 3> data = {};
  };

  EpollHandle(io::Reactor& reactor, std::shared_ptr<EpollUsage> usage) noexcept;
  ~EpollHandle() override;

  // epoll_ctl. kNotcapable: the descriptor must not be polled. kPerm: files and directories, which
  // never block; kLoop: another epoll. kExist: the descriptor has an entry already; kNospc: there
  // are kEntriesMax.
  Errno add(GuestFd fd, const Descriptor& descriptor, const Interest& interest);
  // kNoent: no entry of the descriptor. Whatever it reported before, and an entry that reported
  // once, is reported again if it is ready.
  Errno modify(GuestFd fd, const Descriptor& descriptor, const Interest& interest);
  Errno remove(GuestFd fd, const Descriptor& descriptor);

  // What is ready now: at most `count_max` (not 0) entries, each once; those that waited longest
  // come first.
  std::vector<abi::EpollEvent> collect(std::size_t count_max);

  // Entries, also those whose handle is gone and that nobody has met since.
  std::size_t size() const noexcept { return entries_.size(); }

  Filetype filetype() const noexcept override { return Filetype::kUnknown; }
  Rights rights_base() const noexcept override {
    return Rights::kFdFdstatSetFlags | Rights::kFdFilestatGet | Rights::kPollFdReadwrite |
           Rights::kFdRead;
  }
  // kInval: as on Linux.
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override;
  // Set while an entry may be ready.
  io::Event* readable() noexcept override { return &readable_; }
  Readiness read_readiness() override;
  EpollHandle* as_epoll() noexcept override { return this; }

 private:
  struct Entry;
  using Entries = std::list<Entry>;
  using Key = std::pair<GuestFd, const Handle*>;
  using Index = std::map<Key, Entries::iterator>;

  // The entry of a descriptor, or entries_.end(). One whose handle is gone is erased on the way.
  Index::iterator find(GuestFd fd, const Handle* handle);
  // Tells the entry what to report, and looks whether it is ready.
  void watch(Entry& entry, const Descriptor& descriptor, const Interest& interest);
  void mark_ready(Entry& entry) noexcept;
  void mark_idle(Entry& entry) noexcept;
  // Moves entries that are not ready out of the way until the first one that is; its bits.
  EpollType find_ready();
  void erase(Entry& entry);
  void erase_orphans();

  std::shared_ptr<EpollUsage> usage_;
  Entries idle_;
  Entries ready_;
  Index entries_;
  // When there are so many entries, those without a handle are looked for: often enough to bound
  // them, seldom enough to cost nothing.
  std::size_t orphans_sought_at_;
  io::Event readable_;
};

}  // namespace selvedge::wasix
