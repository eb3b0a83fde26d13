#pragma once

// The host functions of WASI preview 1 and snapshot 0, one C++ function each. Parameters are as in
// the witx files; pointers are guest addresses. What is not said in the specification is said at
// the definition.

#include <cstdint>

#include "engine/guest_memory.h"
#include "engine/pending_call.h"
#include "wasix/abi.h"
#include "wasix/thread.h"

namespace selvedge::wasix::internal {

template <class T>
using Ptr = engine::GuestPtr<T>;
using BlockingErrno = engine::Blocking<Errno>;

// host_calls_process.cc
Errno args_get(Thread& thread, Ptr<std::uint32_t> argv, Ptr<std::uint8_t> argv_buf);
Errno args_sizes_get(Thread& thread, Ptr<std::uint32_t> count, Ptr<std::uint32_t> buf_size);
Errno environ_get(Thread& thread, Ptr<std::uint32_t> environ, Ptr<std::uint8_t> environ_buf);
Errno environ_sizes_get(Thread& thread, Ptr<std::uint32_t> count, Ptr<std::uint32_t> buf_size);
Errno clock_res_get(Thread& thread, std::uint32_t clock, Ptr<Timestamp> resolution);
Errno clock_time_get(Thread& thread, std::uint32_t clock, Timestamp precision, Ptr<Timestamp> time);
BlockingErrno random_get(Thread& thread, Ptr<std::uint8_t> buf, std::uint32_t buf_len);
BlockingErrno sched_yield(Thread& thread);
void proc_exit(Thread& thread, std::uint32_t code);
Errno proc_raise(Thread& thread, std::uint32_t signal);

// host_calls_fd.cc: any kind of descriptor
Errno fd_close(Thread& thread, GuestFd fd);
Errno fd_fdstat_get(Thread& thread, GuestFd fd, Ptr<abi::Fdstat> stat);
Errno fd_fdstat_set_flags(Thread& thread, GuestFd fd, std::uint32_t flags);
Errno fd_fdstat_set_rights(Thread& thread, GuestFd fd, Rights base, Rights inheriting);
Errno fd_prestat_get(Thread& thread, GuestFd fd, Ptr<abi::Prestat> prestat);
Errno fd_prestat_dir_name(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path,
                          std::uint32_t path_len);
BlockingErrno fd_read(Thread& thread, GuestFd fd, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                      Ptr<std::uint32_t> nread);
BlockingErrno fd_write(Thread& thread, GuestFd fd, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                       Ptr<std::uint32_t> nwritten);
Errno fd_renumber(Thread& thread, GuestFd from, GuestFd to);
Errno fd_filestat_get(Thread& thread, GuestFd fd, Ptr<abi::Filestat> stat);
Errno fd_filestat_set_times(Thread& thread, GuestFd fd, Timestamp atim, Timestamp mtim,
                            std::uint32_t flags);
BlockingErrno fd_datasync(Thread& thread, GuestFd fd);
BlockingErrno fd_sync(Thread& thread, GuestFd fd);

// host_calls_file.cc: regular files and directories
Errno fd_advise(Thread& thread, GuestFd fd, std::uint64_t offset, std::uint64_t len,
                std::uint32_t advice);
BlockingErrno fd_allocate(Thread& thread, GuestFd fd, std::uint64_t offset, std::uint64_t len);
Errno fd_filestat_set_size(Thread& thread, GuestFd fd, std::uint64_t size);
BlockingErrno fd_pread(Thread& thread, GuestFd fd, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                       std::uint64_t offset, Ptr<std::uint32_t> nread);
BlockingErrno fd_pwrite(Thread& thread, GuestFd fd, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                        std::uint64_t offset, Ptr<std::uint32_t> nwritten);
BlockingErrno fd_readdir(Thread& thread, GuestFd fd, Ptr<std::uint8_t> buf, std::uint32_t buf_len,
                         std::uint64_t cookie, Ptr<std::uint32_t> bufused);
Errno fd_seek(Thread& thread, GuestFd fd, std::int64_t offset, std::uint32_t whence,
              Ptr<std::uint64_t> newoffset);
Errno fd_tell(Thread& thread, GuestFd fd, Ptr<std::uint64_t> offset);

// host_calls_path.cc. A path is an address and a length in bytes.
Errno path_create_directory(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path,
                            std::uint32_t path_len);
Errno path_filestat_get(Thread& thread, GuestFd fd, std::uint32_t flags, Ptr<std::uint8_t> path,
                        std::uint32_t path_len, Ptr<abi::Filestat> stat);
Errno path_filestat_set_times(Thread& thread, GuestFd fd, std::uint32_t flags,
                              Ptr<std::uint8_t> path, std::uint32_t path_len, Timestamp atim,
                              Timestamp mtim, std::uint32_t fst_flags);
Errno path_link(Thread& thread, GuestFd old_fd, std::uint32_t old_flags, Ptr<std::uint8_t> old_path,
                std::uint32_t old_path_len, GuestFd new_fd, Ptr<std::uint8_t> new_path,
                std::uint32_t new_path_len);
Errno path_open(Thread& thread, GuestFd fd, std::uint32_t dirflags, Ptr<std::uint8_t> path,
                std::uint32_t path_len, std::uint32_t oflags, Rights base, Rights inheriting,
                std::uint32_t fdflags, Ptr<GuestFd> opened_fd);
Errno path_readlink(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path, std::uint32_t path_len,
                    Ptr<std::uint8_t> buf, std::uint32_t buf_len, Ptr<std::uint32_t> bufused);
Errno path_remove_directory(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path,
                            std::uint32_t path_len);
Errno path_rename(Thread& thread, GuestFd fd, Ptr<std::uint8_t> old_path,
                  std::uint32_t old_path_len, GuestFd new_fd, Ptr<std::uint8_t> new_path,
                  std::uint32_t new_path_len);
Errno path_symlink(Thread& thread, Ptr<std::uint8_t> old_path, std::uint32_t old_path_len,
                   GuestFd fd, Ptr<std::uint8_t> new_path, std::uint32_t new_path_len);
Errno path_unlink_file(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path, std::uint32_t path_len);

// host_calls_poll.cc
BlockingErrno poll_oneoff(Thread& thread, Ptr<abi::Subscription> in, Ptr<abi::Event> out,
                          std::uint32_t nsubscriptions, Ptr<std::uint32_t> nevents);

// host_calls_socket.cc
BlockingErrno sock_accept(Thread& thread, GuestFd fd, std::uint32_t flags,
                          Ptr<GuestFd> accepted_fd);
BlockingErrno sock_recv(Thread& thread, GuestFd fd, Ptr<abi::Iovec> ri_data,
                        std::uint32_t ri_data_len, std::uint32_t ri_flags, Ptr<std::uint32_t> nread,
                        Ptr<std::uint16_t> ro_flags);
BlockingErrno sock_send(Thread& thread, GuestFd fd, Ptr<abi::Iovec> si_data,
                        std::uint32_t si_data_len, std::uint32_t si_flags,
                        Ptr<std::uint32_t> nwritten);
Errno sock_shutdown(Thread& thread, GuestFd fd, std::uint32_t how);

// Where snapshot 0 differs.
Errno snapshot0_fd_filestat_get(Thread& thread, GuestFd fd, Ptr<abi::Snapshot0Filestat> stat);
Errno snapshot0_path_filestat_get(Thread& thread, GuestFd fd, std::uint32_t flags,
                                  Ptr<std::uint8_t> path, std::uint32_t path_len,
                                  Ptr<abi::Snapshot0Filestat> stat);
Errno snapshot0_fd_seek(Thread& thread, GuestFd fd, std::int64_t offset, std::uint32_t whence,
                        Ptr<std::uint64_t> newoffset);
BlockingErrno snapshot0_poll_oneoff(Thread& thread, Ptr<abi::Snapshot0Subscription> in,
                                    Ptr<abi::Event> out, std::uint32_t nsubscriptions,
                                    Ptr<std::uint32_t> nevents);

}  // namespace selvedge::wasix::internal
