#pragma once

// File descriptors of one process: number -> handle, rights, name of the preopen.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "wasix/abi.h"
#include "wasix/errno_result.h"
#include "wasix/handle.h"

namespace selvedge::wasix {

// One descriptor. The handle is shared by all descriptors that name the same open file description,
// and by host calls that wait for it, so that closing a descriptor under a waiting call is safe.
struct Descriptor {
  std::shared_ptr<Handle> handle;
  Rights rights_base = Rights::kNone;
  Rights rights_inheriting = Rights::kNone;
  // The guest path of a directory that the process was given at start.
  std::optional<std::string> preopen_name = std::nullopt;
  // FD_CLOEXEC: belongs to the descriptor, so duplicates have their own.
  bool close_on_exec = false;
};

// The shard's thread. Pointers into the table are valid until its next change.
class HandleTable {
 public:
  static constexpr std::uint32_t kHandlesMaxDefault = 1024;
  // No limit may exceed this: the table is a vector indexed by descriptor.
  static constexpr std::uint32_t kHandlesMax = 65'536;

  explicit HandleTable(std::uint32_t handles_max = kHandlesMaxDefault) noexcept;

  // Puts it at the lowest free number, as POSIX does, that is not below `lowest`. kMfile: no such
  // number is free; kInval: `lowest` is beyond the table.
  ErrnoResult<GuestFd> insert(Descriptor descriptor, GuestFd lowest = 0);
  // A second descriptor for the same handle with the same rights, as F_DUPFD makes it. It is no
  // preopen: the guest was not given it at start. kBadf; else as insert().
  ErrnoResult<GuestFd> duplicate(GuestFd fd, GuestFd lowest, bool close_on_exec);
  // Puts it at `fd`, closing what that was. kBadf: beyond the table.
  Errno place(GuestFd fd, Descriptor descriptor);
  // kBadf: not open.
  ErrnoResult<Descriptor*> find(GuestFd fd) noexcept [[clang::lifetimebound]];
  // kBadf: not open; kNotcapable: open, but without all of `wanted`.
  ErrnoResult<Descriptor*> find(GuestFd fd, Rights wanted) noexcept [[clang::lifetimebound]];
  Errno close(GuestFd fd);
  // Open, and a preopened directory.
  bool is_preopened(GuestFd fd) const noexcept {
    return fd < slots_.size() && slots_[fd].preopen_name.has_value();
  }
  // As close(), but a preopened directory stays, with kSuccess: programs close all numbers in a
  // loop, and their C library would have no files afterwards.
  Errno close_unless_preopened(GuestFd fd);
  // Moves `from` onto `to`, closing what `to` was. Both must be open: kBadf.
  Errno renumber(GuestFd from, GuestFd to);
  // dup2(2): a second descriptor for the same handle, at `to`, closing what that was. kBadf: `from`
  // is not open, or `to` beyond the table; kNotsup: `to` is a preopened directory, which a C
  // library needs to open files.
  Errno duplicate_onto(GuestFd from, GuestFd to);
  // What a new program does not inherit. Preopened directories stay.
  void close_marked_for_exec();
  // Closes everything.
  void clear() noexcept;

  std::uint32_t size() const noexcept { return open_count_; }
  bool full() const noexcept { return open_count_ >= handles_max_; }
  // By number; a null handle marks a free one.
  std::span<const Descriptor> descriptors() const noexcept [[clang::lifetimebound]] {
    return slots_;
  }

 private:
  std::vector<Descriptor> slots_;  // a null handle marks a free number
  std::uint32_t open_count_ = 0;
  std::uint32_t lowest_free_ = 0;  // nothing below is free
  std::uint32_t handles_max_;
};

}  // namespace selvedge::wasix
