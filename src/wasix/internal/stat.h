#pragma once

// FileStat in the guest's layouts.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "wasix/abi.h"
#include "wasix/file_system.h"
#include "wasix/thread.h"

namespace selvedge::wasix::internal {

template <class Layout>
Errno write_stat(Thread& thread, engine::GuestPtr<Layout> target, const FileStat& stat) {
  Layout value{};
  value.dev = stat.dev;
  value.ino = stat.ino;
  value.filetype = stat.filetype;
  using LinkCount = decltype(value.nlink);
  value.nlink = static_cast<LinkCount>(
      std::min<std::uint64_t>(stat.nlink, std::numeric_limits<LinkCount>::max()));
  value.size = stat.size;
  value.atim = stat.atim;
  value.mtim = stat.mtim;
  value.ctim = stat.ctim;
  return thread.memory().write(target, value) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace selvedge::wasix::internal
