#include "node/memory_watch.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/format.h"
#include "base/log.h"

namespace selvedge::node {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kScarcePercent = 90;
constexpr std::uint64_t kPlentyPercent = 80;
// Where the halving begins: hardly an app is allowed to be idle longer.
constexpr base::Duration kFirstIdleTime = std::chrono::minutes(10);
constexpr base::Duration kLastIdleTime = std::chrono::milliseconds(500);

std::optional<std::uint64_t> number_of(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() ? std::optional(number) : std::nullopt;
}

// The number behind "Name:" in kB, as in /proc/meminfo; as bytes.
std::optional<std::uint64_t> field_of(const fs::path& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name) && line.substr(name.size()).starts_with(":")) {
      const auto kilobytes = number_of(std::string_view(line).substr(name.size() + 1));
      return kilobytes.has_value() ? std::optional(*kilobytes * 1024) : std::nullopt;
    }
  }
  return std::nullopt;
}

// Of the group and of those around it; none for a process that is in none.
std::uint64_t group_limit(const fs::path& root) {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) {
      continue;
    }
    const fs::path top = root / "sys/fs/cgroup";
    for (fs::path group = (top / line.substr(4)).lexically_normal();; group = group.parent_path()) {
      std::ifstream file(group / "memory.max");  // "max": no limit
      std::string text;
      std::getline(file, text);
      least = std::min(least, number_of(text).value_or(least));
      if (group == top || !group.has_relative_path()) {
        break;
      }
    }
  }
  return least;
}

}  // namespace

Result<std::uint64_t> MemoryReader::available() const {
  const fs::path path = root_ / "proc/meminfo";
  const auto machine = field_of(path, "MemTotal");
  if (!machine.has_value()) {
    return fail_format(ErrorKind::kInternal,
                       "{} does not say how much memory there is: set limits.memory",
                       path.string());
  }
  return std::min(*machine, group_limit(root_));
}

Result<std::uint64_t> MemoryReader::used() const {
  const fs::path path = root_ / "proc/self/status";
  const auto anonymous = field_of(path, "RssAnon");
  const auto shared = field_of(path, "RssShmem");
  if (!anonymous.has_value() || !shared.has_value()) {
    return fail_format(ErrorKind::kInternal, "{} does not say how much memory is used",
                       path.string());
  }
  return *anonymous + *shared;
}

const MemoryAllowance& MemoryWatch::update(std::uint64_t bytes_used) noexcept {
  base::Duration& idle = allowance_.idle_time_max;
  if (bytes_used >= bytes_max_ / 100 * kScarcePercent) {
    idle = std::min(idle, 2 * kFirstIdleTime) / 2;
    idle = idle < kLastIdleTime ? base::Duration::zero() : idle;
  } else if (bytes_used < bytes_max_ / 100 * kPlentyPercent) {
    idle = std::max(idle, kLastIdleTime) * 2;
    idle = idle > kFirstIdleTime ? kIdleTimeMax : idle;
  }
  allowance_.starts = bytes_used < bytes_max_;
  return allowance_;
}

Result<std::uint64_t> memory_limit(std::uint64_t configured) {
  if (configured != 0) {
    return configured;
  }
  SELVEDGE_TRY(const std::uint64_t available, MemoryReader().available());
  return available / 100 * kScarcePercent;
}

io::Task<> watch_memory(io::Reactor& reactor, std::uint64_t bytes_max,
                        std::function<void(const MemoryAllowance&)> changed) {
  const MemoryReader reader;
  MemoryWatch watch(bytes_max);
  MemoryAllowance known = watch.update(0);
  for (;;) {
    co_await reactor.sleep(MemoryWatch::kInterval);
    const auto used = reader.used();
    if (!used.has_value()) {
      log::error("memory is not watched any more: {}", used.error().message());
      co_return {};
    }
    const MemoryAllowance now = watch.update(*used);
    if (now == known) {
      continue;
    }
    const bool scarce = now.idle_time_max < MemoryWatch::kIdleTimeMax;
    if (now.starts != known.starts || scarce != (known.idle_time_max < MemoryWatch::kIdleTimeMax)) {
      log::warning("memory: {} MiB of {} MiB are used: {}", *used >> 20, bytes_max >> 20,
                   !now.starts ? "no app is started"
                   : scarce    ? "idle apps end early"
                               : "idle apps may stay again");
    }
    known = now;
    changed(now);
  }
}

}  // namespace selvedge::node
