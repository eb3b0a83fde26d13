#pragma once

// Who is bound to which port of `lo`, for one protocol: conflicts, free ports, and what a
// connection or a datagram reaches.

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "io/socket_address.h"
#include "wasix/errno_result.h"

namespace selvedge::wasix::internal {

class DatagramSocket;
class ListenQueue;
class PortTable;

struct BindRequest {
  // Any address of a family, one of 127.0.0.0/8, ::1, or for UDP a multicast group. IPv4 inside
  // IPv6 comes as IPv4.
  io::IpAddress ip;
  // 0: a free one.
  std::uint16_t port = 0;
  // All addresses of IPv6, and those of IPv4 too.
  bool dual = false;
  // SO_REUSEADDR and SO_REUSEPORT.
  bool reuse_address = false;
  bool reuse_port = false;
};

// A socket's hold on an address; destroying it frees the address.
class PortBinding {
 public:
  PortBinding(std::shared_ptr<PortTable> table, const BindRequest& request);
  PortBinding(const PortBinding&) = delete;
  PortBinding& operator=(const PortBinding&) = delete;
  ~PortBinding();

  const io::IpAddress& ip() const noexcept [[clang::lifetimebound]] { return request_.ip; }
  std::uint16_t port() const noexcept { return request_.port; }
  io::SocketAddress address() const { return {request_.ip, request_.port}; }
  // Whether what is sent to `ip` comes here.
  bool covers(const io::IpAddress& ip) const noexcept;
  // Whether somebody else listens at an address that this one would listen at too.
  bool listener_conflicts() const noexcept;

  // At most one of them: what takes connections, or datagrams.
  ListenQueue* listener = nullptr;
  DatagramSocket* datagrams = nullptr;

 private:
  friend class PortTable;

  std::shared_ptr<PortTable> table_;
  BindRequest request_;
};

// One shard's thread.
class PortTable : public std::enable_shared_from_this<PortTable> {
 public:
  // The range of Linux's net.ipv4.ip_local_port_range.
  static constexpr std::uint16_t kFirstFreePort = 32'768;
  static constexpr std::uint16_t kLastFreePort = 60'999;

  // kAddrinuse: somebody has it, or (port 0) all ports are taken.
  ErrnoResult<std::unique_ptr<PortBinding>> bind(BindRequest request);
  // What accepts connections to `ip`: rather who is bound to just that address than to any; among
  // several the one with the fewest connections waiting. nullptr: nobody.
  ListenQueue* find_listener(const io::IpAddress& ip, std::uint16_t port) const noexcept;
  // Everybody at that port.
  std::vector<PortBinding*> at(std::uint16_t port) const;
  // The listener with the lowest port; nullptr: none.
  const PortBinding* lowest_listener() const noexcept;

 private:
  friend class PortBinding;

  bool conflicts(const BindRequest& request) const noexcept;
  bool taken(const BindRequest& request) const noexcept;

  std::multimap<std::uint16_t, PortBinding*> bindings_;
  std::uint16_t next_free_ = kFirstFreePort;
};

}  // namespace selvedge::wasix::internal
