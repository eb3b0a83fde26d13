// Options of sockets and multicast groups. An option that has no meaning here, or not as the kind
// of value that was asked for, is kNoprotoopt.

#include <algorithm>

#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls_socket.h"
#include "wasix/internal/socket_lookup.h"

namespace selvedge::wasix::internal {

namespace {

constexpr std::uint64_t kTimeToLiveMax = 255;
constexpr auto kTimeoutNanosecondsMax =
    static_cast<std::uint64_t>(base::Duration(kWaitMax).count());

// Where an option lies that is a flag, a time, a number; nullptr: it is none.
bool SocketOptions::* flag_of(SockOption option) noexcept {
  switch (option) {
    case SockOption::kReusePort:
      return &SocketOptions::reuse_port;
    case SockOption::kReuseAddr:
      return &SocketOptions::reuse_address;
    case SockOption::kNoDelay:
      return &SocketOptions::no_delay;
    case SockOption::kDontRoute:
      return &SocketOptions::dont_route;
    case SockOption::kOnlyV6:
      return &SocketOptions::only_v6;
    case SockOption::kBroadcast:
      return &SocketOptions::broadcast;
    case SockOption::kMulticastLoopV4:
      return &SocketOptions::multicast_loop_v4;
    case SockOption::kMulticastLoopV6:
      return &SocketOptions::multicast_loop_v6;
    case SockOption::kKeepAlive:
      return &SocketOptions::keep_alive;
    default:
      return nullptr;
  }
}

std::optional<base::Duration> SocketOptions::* time_of(SockOption option) noexcept {
  switch (option) {
    case SockOption::kRecvTimeout:
      return &SocketOptions::receive_timeout;
    case SockOption::kSendTimeout:
      return &SocketOptions::send_timeout;
    case SockOption::kConnectTimeout:
      return &SocketOptions::connect_timeout;
    case SockOption::kAcceptTimeout:
      return &SocketOptions::accept_timeout;
    case SockOption::kLinger:
      return &SocketOptions::linger;
    default:
      return nullptr;
  }
}

std::uint64_t SocketOptions::* size_of(SockOption option) noexcept {
  switch (option) {
    case SockOption::kRecvBufSize:
      return &SocketOptions::receive_buffer_bytes;
    case SockOption::kSendBufSize:
      return &SocketOptions::send_buffer_bytes;
    case SockOption::kTtl:
      return &SocketOptions::time_to_live;
    case SockOption::kMulticastTtlV4:
      return &SocketOptions::multicast_time_to_live;
    default:
      return nullptr;
  }
}

// kInval: no option at all.
ErrnoResult<SockOption> read_option(std::uint32_t option) noexcept {
  if (option > static_cast<std::uint32_t>(SockOption::kProto)) {
    return refuse(Errno::kInval);
  }
  return static_cast<SockOption>(option);
}

bool fits(SockOption option, std::uint64_t size) noexcept {
  switch (option) {
    case SockOption::kTtl:
      return size >= 1 && size <= kTimeToLiveMax;
    case SockOption::kMulticastTtlV4:
      return size <= kTimeToLiveMax;
    default:
      return true;
  }
}

// The groups and interfaces of a membership. The network's one interface is named by 0.0.0.0 or
// its own address, and by the index 0 (any) or 1.
constexpr std::uint32_t kInterfaceIndexMax = 1;

ErrnoResult<io::IpAddress> read_group(Thread& thread, Ptr<abi::AddrIp4> group,
                                      Ptr<abi::AddrIp4> interface) {
  const auto group_bytes = thread.memory().read(group);
  const auto interface_bytes = thread.memory().read(interface);
  if (!group_bytes || !interface_bytes) {
    return refuse(Errno::kFault);
  }
  const auto ip_of = [](const abi::AddrIp4& address) {
    io::IpAddress::V4Bytes bytes{};
    std::ranges::copy(address.bytes, bytes.begin());
    return io::IpAddress::v4(bytes);
  };
  const io::IpAddress at = ip_of(*interface_bytes);
  if (!at.is_any() && !at.is_loopback()) {
    return refuse(Errno::kNodev);
  }
  return ip_of(*group_bytes);
}

ErrnoResult<io::IpAddress> read_group(Thread& thread, Ptr<abi::AddrIp6> group,
                                      std::uint32_t interface) {
  const auto raw = thread.memory().read(group);
  if (!raw) {
    return refuse(Errno::kFault);
  }
  if (interface > kInterfaceIndexMax) {
    return refuse(Errno::kNodev);
  }
  io::IpAddress::V6Bytes bytes{};
  std::ranges::copy(raw->bytes, bytes.begin());
  return io::IpAddress::v6(bytes);
}

using Membership = Errno (Socket::*)(const io::IpAddress&);

template <class Group, class Interface>
Errno change_membership(Thread& thread, GuestFd fd, Group group, Interface interface,
                        AddressFamily family, Membership change) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  SELVEDGE_TRY_ERRNO(const io::IpAddress ip, read_group(thread, group, interface));
  return found->family() == family ? (found.socket->*change)(ip) : Errno::kNoprotoopt;
}

}  // namespace

Errno sock_set_opt_flag(Thread& thread, GuestFd fd, std::uint32_t option, std::uint32_t flag) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  SELVEDGE_TRY_ERRNO(const SockOption which, read_option(option));
  bool SocketOptions::* const member = flag_of(which);
  if (member == nullptr) {
    return Errno::kNoprotoopt;
  }
  if (flag > 1) {
    return Errno::kInval;
  }
  SocketOptions options = found->options();
  options.*member = flag == 1;
  found->set_options(options);
  return Errno::kSuccess;
}

Errno sock_get_opt_flag(Thread& thread, GuestFd fd, std::uint32_t option, Ptr<std::uint8_t> flag) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  SELVEDGE_TRY_ERRNO(const SockOption which, read_option(option));
  bool value = false;
  if (which == SockOption::kListening) {
    value = found->listening();
  } else if (bool SocketOptions::* const member = flag_of(which)) {
    value = found->options().*member;
  } else {
    return Errno::kNoprotoopt;
  }
  return thread.memory().write(flag, value ? 1 : 0) ? Errno::kSuccess : Errno::kFault;
}

// A timeout of zero is none, as setsockopt(2) has it; zero to linger is a value of its own.
Errno sock_set_opt_time(Thread& thread, GuestFd fd, std::uint32_t option,
                        Ptr<abi::OptionTimestamp> time) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  SELVEDGE_TRY_ERRNO(const SockOption which, read_option(option));
  const auto raw = thread.memory().read(time);
  if (!raw) {
    return Errno::kFault;
  }
  std::optional<base::Duration> SocketOptions::* const member = time_of(which);
  if (member == nullptr) {
    return Errno::kNoprotoopt;
  }
  if (raw->tag > 1) {
    return Errno::kInval;
  }
  std::optional<base::Duration> value;
  const bool is_linger = which == SockOption::kLinger;
  if (raw->tag == 1 && (raw->value != 0 || is_linger)) {
    value = base::Duration(
        static_cast<std::int64_t>(std::min<std::uint64_t>(raw->value, kTimeoutNanosecondsMax)));
  }
  SocketOptions options = found->options();
  options.*member = value;
  found->set_options(options);
  return Errno::kSuccess;
}

Errno sock_get_opt_time(Thread& thread, GuestFd fd, std::uint32_t option,
                        Ptr<abi::OptionTimestamp> time) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  SELVEDGE_TRY_ERRNO(const SockOption which, read_option(option));
  std::optional<base::Duration> SocketOptions::* const member = time_of(which);
  if (member == nullptr) {
    return Errno::kNoprotoopt;
  }
  abi::OptionTimestamp written{};
  if (const std::optional<base::Duration> value = found->options().*member) {
    written.tag = 1;
    written.value = static_cast<Timestamp>(value->count());
  }
  return thread.memory().write(time, written) ? Errno::kSuccess : Errno::kFault;
}

Errno sock_set_opt_size(Thread& thread, GuestFd fd, std::uint32_t option, std::uint64_t size) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  SELVEDGE_TRY_ERRNO(const SockOption which, read_option(option));
  std::uint64_t SocketOptions::* const member = size_of(which);
  if (member == nullptr) {
    return Errno::kNoprotoopt;
  }
  if (!fits(which, size)) {
    return Errno::kInval;
  }
  SocketOptions options = found->options();
  options.*member = size;
  found->set_options(options);
  return Errno::kSuccess;
}

// The last error is the number of an errno; reading it takes it, as SO_ERROR does.
Errno sock_get_opt_size(Thread& thread, GuestFd fd, std::uint32_t option, Ptr<std::uint64_t> size) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  SELVEDGE_TRY_ERRNO(const SockOption which, read_option(option));
  if (!thread.memory().bytes(size.address, sizeof(std::uint64_t))) {
    return Errno::kFault;
  }
  std::uint64_t value = 0;
  if (std::uint64_t SocketOptions::* const member = size_of(which)) {
    value = found->options().*member;
  } else {
    switch (which) {
      case SockOption::kLastError:
        value = static_cast<std::uint64_t>(found->take_error());
        break;
      case SockOption::kType:
        value = static_cast<std::uint64_t>(found->type());
        break;
      case SockOption::kProto:
        value = found->protocol();
        break;
      default:
        return Errno::kNoprotoopt;
    }
  }
  return thread.memory().write(size, value) ? Errno::kSuccess : Errno::kFault;
}

Errno sock_join_multicast_v4(Thread& thread, GuestFd fd, Ptr<abi::AddrIp4> group,
                             Ptr<abi::AddrIp4> interface) {
  return change_membership(thread, fd, group, interface, AddressFamily::kInet4,
                           &Socket::join_multicast);
}

Errno sock_leave_multicast_v4(Thread& thread, GuestFd fd, Ptr<abi::AddrIp4> group,
                              Ptr<abi::AddrIp4> interface) {
  return change_membership(thread, fd, group, interface, AddressFamily::kInet4,
                           &Socket::leave_multicast);
}

Errno sock_join_multicast_v6(Thread& thread, GuestFd fd, Ptr<abi::AddrIp6> group,
                             std::uint32_t interface) {
  return change_membership(thread, fd, group, interface, AddressFamily::kInet6,
                           &Socket::join_multicast);
}

Errno sock_leave_multicast_v6(Thread& thread, GuestFd fd, Ptr<abi::AddrIp6> group,
                              std::uint32_t interface) {
  return change_membership(thread, fd, group, interface, AddressFamily::kInet6,
                           &Socket::leave_multicast);
}

}  // namespace selvedge::wasix::internal
