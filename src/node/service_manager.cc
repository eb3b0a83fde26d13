#include "node/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/errno_error.h"
#include "base/format.h"

namespace selvedge::node {
namespace {

std::int64_t microseconds(base::Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

Result<ServiceManager> ServiceManager::connect(std::string_view socket,
                                               std::string_view watchdog_usec) {
  ServiceManager made;
  if (socket.empty()) {
    return made;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if ((socket.front() != '/' && socket.front() != '@') || socket.size() < 2 ||
      socket.size() >= sizeof(address.sun_path)) {
    return fail_format(ErrorKind::kInvalid,
                       "NOTIFY_SOCKET={}: neither a path nor the name of an abstract socket",
                       socket);
  }
  std::ranges::copy(socket, static_cast<char*>(address.sun_path));
  std::size_t length = offsetof(sockaddr_un, sun_path) + socket.size();
  if (socket.front() == '@') {
    address.sun_path[0] = '\0';
  } else {
    ++length;  // its end
  }
  made.socket_ = base::UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const void* const name = &address;
  if (!made.socket_ || ::connect(made.socket_.get(), static_cast<const sockaddr*>(name),
                                 static_cast<socklen_t>(length)) != 0) {
    return fail(base::errno_error(errno, fmt::format("NOTIFY_SOCKET={}", socket)));
  }
  std::uint64_t interval = 0;
  const auto parsed =
      std::from_chars(watchdog_usec.data(), watchdog_usec.data() + watchdog_usec.size(), interval);
  if (parsed.ec == std::errc() && interval != 0) {
    made.watchdog_ = std::chrono::microseconds(std::min<std::uint64_t>(interval, INT64_MAX / 1000));
  }
  return made;
}

void ServiceManager::ready(std::string_view status) const {
  notify(fmt::format("READY=1\nMAINPID={}\nSTATUS={}", ::getpid(), status));
}

void ServiceManager::reloading(base::MonotonicTime now) const {
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", microseconds(now.time_since_epoch())));
}

void ServiceManager::stopping(base::Duration time_max) const {
  notify(
      fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS=Draining", microseconds(time_max)));
}

void ServiceManager::main_pid(pid_t pid) const { notify(fmt::format("MAINPID={}", pid)); }

void ServiceManager::alive() const { notify("WATCHDOG=1"); }

void ServiceManager::notify(std::string_view lines) const {
  if (socket_) {
    [[maybe_unused]] const auto sent =
        ::send(socket_.get(), lines.data(), lines.size(), MSG_NOSIGNAL);
  }
}

}  // namespace selvedge::node
