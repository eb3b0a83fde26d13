#pragma once

// What WASIX adds to the host functions of preview 1 for descriptors, paths and clocks. Parameters
// are as in its headers (api_wasix.h); pointers are guest addresses. Addresses for results are
// checked first, so that a fault leaves no descriptor behind.

#include <cstdint>

#include "wasix/abi_handles.h"
#include "wasix/internal/host_calls.h"

namespace selvedge::wasix::internal {

// host_calls_handles.cc
Errno fd_dup(Thread& thread, GuestFd fd, Ptr<GuestFd> new_fd);
Errno fd_dup2(Thread& thread, GuestFd fd, GuestFd min_result_fd, std::uint32_t cloexec,
              Ptr<GuestFd> new_fd);
Errno fd_event(Thread& thread, std::uint64_t initial_val, std::uint32_t flags, Ptr<GuestFd> new_fd);
Errno fd_pipe(Thread& thread, Ptr<GuestFd> read_fd, Ptr<GuestFd> write_fd);
Errno fd_fdflags_get(Thread& thread, GuestFd fd, Ptr<Fdflagsext> flags);
Errno fd_fdflags_set(Thread& thread, GuestFd fd, std::uint32_t flags);
Errno wasix_fd_renumber(Thread& thread, GuestFd from, GuestFd to);

// host_calls_epoll.cc
Errno epoll_create(Thread& thread, Ptr<GuestFd> new_fd);
Errno epoll_ctl(Thread& thread, GuestFd epfd, std::uint32_t op, GuestFd fd,
                Ptr<abi::EpollEvent> event);
BlockingErrno epoll_wait(Thread& thread, GuestFd epfd, Ptr<abi::EpollEvent> events,
                         std::uint32_t maxevents, Timestamp timeout, Ptr<std::uint32_t> nevents);

// host_calls_directory.cc
Errno getcwd(Thread& thread, Ptr<std::uint8_t> path, Ptr<std::uint32_t> path_len);
Errno chdir(Thread& thread, Ptr<std::uint8_t> path, std::uint32_t path_len);

// host_calls_path.cc
Errno path_open2(Thread& thread, GuestFd fd, std::uint32_t dirflags, Ptr<std::uint8_t> path,
                 std::uint32_t path_len, std::uint32_t oflags, Rights base, Rights inheriting,
                 std::uint32_t fdflags, std::uint32_t fdflagsext, Ptr<GuestFd> opened_fd);

// host_calls_process.cc
Errno clock_time_set(Thread& thread, std::uint32_t clock, Timestamp time);

}  // namespace selvedge::wasix::internal
