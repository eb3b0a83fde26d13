#pragma once

// What a node tells whoever started it as a service: systemd's protocol of sd_notify(3), datagrams
// of NAME=VALUE lines on a unix socket. Without such a socket nothing is said.

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace selvedge::node {

// One thread.
class ServiceManager {
 public:
  ServiceManager() = default;
  // `socket`: NOTIFY_SOCKET, a path or "@name" (abstract). `watchdog_usec`: WATCHDOG_USEC, empty
  // when this process is not watched. Invalid: it is neither.
  static Result<ServiceManager> connect(std::string_view socket, std::string_view watchdog_usec);

  void ready(std::string_view status) const;
  // Before the configuration is read anew; ready() follows. `now`: of the monotonic clock.
  void reloading(base::MonotonicTime now) const;
  // It ends, and may take this long.
  void stopping(base::Duration time_max) const;
  // Another process is the service from here on.
  void main_pid(pid_t pid) const;
  void alive() const;

  // How often alive() is expected; nullopt: nobody watches.
  std::optional<base::Duration> watchdog() const noexcept { return watchdog_; }

 private:
  // A message that cannot be sent is dropped: the manager acts on what it misses.
  void notify(std::string_view lines) const;

  base::UniqueFd socket_;
  std::optional<base::Duration> watchdog_;
};

}  // namespace selvedge::node
