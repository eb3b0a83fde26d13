#pragma once

// The functions of sockets that preview 1 does not have (`wasix_32v1`), as their headers declare
// them. Families, types, protocols and options are as wide as Wasm passes them and not yet
// validated.

#include <cstdint>

#include "wasix/abi_socket.h"
#include "wasix/internal/host_calls.h"

namespace selvedge::wasix::internal {

// host_calls_socket_transfer.cc
BlockingErrno sock_recv_msg(Thread& thread, GuestFd fd, Ptr<abi::Iovec> ri_data,
                            std::uint32_t ri_data_len, std::uint32_t ri_flags,
                            Ptr<abi::AddrPort> from, Ptr<std::uint8_t> control,
                            std::uint32_t control_len, Ptr<std::uint32_t> nread,
                            Ptr<std::uint16_t> ro_flags, Ptr<std::uint32_t> control_out_len);
BlockingErrno sock_recv_from(Thread& thread, GuestFd fd, Ptr<abi::Iovec> ri_data,
                             std::uint32_t ri_data_len, std::uint32_t ri_flags,
                             Ptr<std::uint32_t> nread, Ptr<std::uint16_t> ro_flags,
                             Ptr<abi::AddrPort> from);
BlockingErrno sock_send_to(Thread& thread, GuestFd fd, Ptr<abi::Iovec> si_data,
                           std::uint32_t si_data_len, std::uint32_t si_flags,
                           Ptr<abi::AddrPort> destination, Ptr<std::uint32_t> nwritten);
BlockingErrno sock_send_file(Thread& thread, GuestFd out_fd, GuestFd in_fd, std::uint64_t offset,
                             std::uint64_t count, Ptr<std::uint64_t> nwritten);

// host_calls_socket.cc
BlockingErrno sock_accept_v2(Thread& thread, GuestFd fd, std::uint32_t flags,
                             Ptr<GuestFd> accepted_fd, Ptr<abi::AddrPort> peer);
BlockingErrno sock_connect(Thread& thread, GuestFd fd, Ptr<abi::AddrPort> address);
Errno sock_open(Thread& thread, std::uint32_t family, std::uint32_t type, std::uint32_t protocol,
                Ptr<GuestFd> opened_fd);
Errno sock_pair(Thread& thread, std::uint32_t family, std::uint32_t type, std::uint32_t protocol,
                Ptr<GuestFd> first_fd, Ptr<GuestFd> second_fd);
Errno sock_bind(Thread& thread, GuestFd fd, Ptr<abi::AddrPort> address);
Errno sock_listen(Thread& thread, GuestFd fd, std::uint32_t backlog);
Errno sock_addr_local(Thread& thread, GuestFd fd, Ptr<abi::AddrPort> address);
Errno sock_addr_peer(Thread& thread, GuestFd fd, Ptr<abi::AddrPort> address);
Errno sock_status(Thread& thread, GuestFd fd, Ptr<std::uint8_t> status);

// host_calls_resolve.cc
BlockingErrno resolve(Thread& thread, Ptr<std::uint8_t> host, std::uint32_t host_len,
                      std::uint32_t port, Ptr<abi::AddrIp> addresses, std::uint32_t addresses_len,
                      Ptr<std::uint32_t> count);

// host_calls_socket_option.cc
Errno sock_set_opt_flag(Thread& thread, GuestFd fd, std::uint32_t option, std::uint32_t flag);
Errno sock_get_opt_flag(Thread& thread, GuestFd fd, std::uint32_t option, Ptr<std::uint8_t> flag);
Errno sock_set_opt_time(Thread& thread, GuestFd fd, std::uint32_t option,
                        Ptr<abi::OptionTimestamp> time);
Errno sock_get_opt_time(Thread& thread, GuestFd fd, std::uint32_t option,
                        Ptr<abi::OptionTimestamp> time);
Errno sock_set_opt_size(Thread& thread, GuestFd fd, std::uint32_t option, std::uint64_t size);
Errno sock_get_opt_size(Thread& thread, GuestFd fd, std::uint32_t option, Ptr<std::uint64_t> size);
Errno sock_join_multicast_v4(Thread& thread, GuestFd fd, Ptr<abi::AddrIp4> group,
                             Ptr<abi::AddrIp4> interface);
Errno sock_leave_multicast_v4(Thread& thread, GuestFd fd, Ptr<abi::AddrIp4> group,
                              Ptr<abi::AddrIp4> interface);
Errno sock_join_multicast_v6(Thread& thread, GuestFd fd, Ptr<abi::AddrIp6> group,
                             std::uint32_t interface);
Errno sock_leave_multicast_v6(Thread& thread, GuestFd fd, Ptr<abi::AddrIp6> group,
                              std::uint32_t interface);

}  // namespace selvedge::wasix::internal
