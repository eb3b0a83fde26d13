#pragma once

// Memory of the node: how much it takes, how much it may, and what follows when that gets scarce.
// Apps that nobody uses end sooner then, those first that were used longest ago; and when all is
// used, no further one is started.

#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/clock.h"
#include "base/result.h"
#include "io/reactor.h"
#include "io/task.h"

namespace selvedge::node {

// What the operating system says. Blocks on files of the kernel, which answer at once.
class MemoryReader {
 public:
  // `root` is where proc/ and sys/ are.
  explicit MemoryReader(std::filesystem::path root = "/") : root_(std::move(root)) {}

  // Bytes of this machine, or of the control group (cgroup v2) that this process is in, or of one
  // around it: whichever is least. Internal: the machine does not say.
  Result<std::uint64_t> available() const;
  // Bytes of this process that the kernel cannot take back: not those of mapped files.
  Result<std::uint64_t> used() const;

 private:
  std::filesystem::path root_;
};

// What apps may take, for as long as it is so.
struct MemoryAllowance {
  // An app that had no request for so long ends, whatever its own idle time.
  base::Duration idle_time_max;
  // Apps that do not run may be started.
  bool starts = true;
  friend bool operator==(const MemoryAllowance&, const MemoryAllowance&) = default;
};

// Decides. From 90 % of the limit on, each second halves the time that an idle app may stay, down
// to none; below 80 % each doubles it, until nothing is ended early. So all shards end what was
// used longest ago first, without asking each other.
class MemoryWatch {
 public:
  static constexpr base::Duration kIdleTimeMax = std::chrono::hours(24 * 365);
  static constexpr base::Duration kInterval = std::chrono::seconds(1);

  explicit MemoryWatch(std::uint64_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  // Called every kInterval with what is used now.
  const MemoryAllowance& update(std::uint64_t bytes_used) noexcept [[clang::lifetimebound]];

 private:
  std::uint64_t bytes_max_;
  MemoryAllowance allowance_{.idle_time_max = kIdleTimeMax, .starts = true};
};

// `configured`, unless it is 0: then 90 % of what there is. Internal: the machine does not say.
Result<std::uint64_t> memory_limit(std::uint64_t configured);

// Calls `changed` at each change of what is allowed, until it is cancelled. The thread of
// `reactor`.
io::Task<> watch_memory(io::Reactor& reactor [[clang::lifetimebound]], std::uint64_t bytes_max,
                        std::function<void(const MemoryAllowance&)> changed);

}  // namespace selvedge::node
