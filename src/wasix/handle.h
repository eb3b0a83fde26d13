#pragma once

// What a guest's file descriptor stands for: an open file, a directory, one end of a pipe, a
// terminal, a sink.
//
// Handles follow the readiness model of io::Stream. Attempts never wait: they do what is possible
// now, or answer kAgain (would block). Events tell when an attempt is worth making again. A host
// function that must block leaves its iovecs in guest memory, waits for the event, and makes the
// attempt anew, so no pointer into guest memory is ever held across a suspension, and a guest that
// is killed while it waits leaves nothing behind.
//
// A Handle is POSIX's open file description: descriptors made by duplication share it, together
// with its offset and flags. Rights belong to the descriptor (HandleTable). One shard's thread.

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/clock.h"
#include "io/event.h"
#include "wasix/abi.h"
#include "wasix/errno_result.h"
#include "wasix/file_system.h"

namespace selvedge::wasix {

using base::ByteSpan;
using base::MutableByteSpan;

class DirectoryHandle;
class EpollHandle;
class FileHandle;
class Socket;

// What poll_oneoff and epoll_wait report of one direction. poll_oneoff reports it when it is ready
// or hung up.
struct Readiness {
  bool ready = false;
  bool hangup = false;  // POLLHUP: of a socket, when both its directions are over
  bool ended = false;   // EPOLLRDHUP: nothing more will be received
  bool error = false;   // EPOLLERR: an error that no call has reported yet
  // Bytes that an attempt would transfer now, as far as is known; 0: unknown.
  std::uint64_t bytes = 0;
};

class Handle {
 public:
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  virtual ~Handle() = default;

  virtual Filetype filetype() const noexcept = 0;
  // All that a descriptor of this handle may ever have.
  virtual Rights rights_base() const noexcept = 0;
  virtual Rights rights_inheriting() const noexcept { return Rights::kNone; }

  virtual Fdflags flags() const noexcept { return flags_; }
  // kInval: bits that this kind of handle has no use for.
  virtual Errno set_flags(Fdflags flags);
  bool nonblocking() const noexcept { return has_any(flags(), Fdflags::kNonblock); }

  virtual ErrnoResult<FileStat> filestat();

  // Into the buffers, in order, at the handle's offset if it has one. 0: the end (or only empty
  // buffers). kAgain: nothing now, wait for readable(). kBadf: not open for reading.
  virtual ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers);
  // A prefix of the bytes. kAgain: nothing now, wait for writable(). kPipe: nobody will read it.
  // kBadf: not open for writing.
  virtual ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers);

  // Set while an attempt is worth making; nullptr: always. set() is called whenever something comes
  // that makes an attempt worth making, also when the event is set already: those are the edges of
  // an edge-triggered epoll.
  virtual io::Event* readable() noexcept { return nullptr; }
  virtual io::Event* writable() noexcept { return nullptr; }
  // Seeking succeeds and changes nothing, and reads and writes at an offset are plain ones, as of
  // /dev/null.
  virtual bool ignores_offsets() const noexcept { return false; }
  virtual Readiness read_readiness() { return {.ready = true}; }
  virtual Readiness write_readiness() { return {.ready = true}; }

  // What is written at once is one message: a write that waits ends when it is taken, were it with
  // fewer bytes than it was given.
  virtual bool takes_messages() const noexcept { return false; }
  // Bytes written here count against the process's limit of output (terminals, pipes to the host,
  // logs).
  virtual bool counts_as_output() const noexcept { return false; }
  // A guest fiber that has run for `cpu_time` has just written here: whether it lets the event loop
  // turn before it goes on, because somebody outside waits for the bytes.
  virtual bool gives_way(base::Duration /*cpu_time*/) noexcept { return false; }

  // The operations of files, directories, epolls and sockets live in their own classes; nullptr
  // when this is none.
  virtual FileHandle* as_file() noexcept { return nullptr; }
  virtual DirectoryHandle* as_directory() noexcept { return nullptr; }
  virtual EpollHandle* as_epoll() noexcept { return nullptr; }
  virtual Socket* as_socket() noexcept { return nullptr; }

 private:
  Fdflags flags_ = Fdflags::kNone;
};

// Rights that make sense for a byte stream without a position. Without kFdSeek and kFdTell a
// character device is what wasi-libc calls a terminal.
inline constexpr Rights kStreamRights = Rights::kFdFdstatSetFlags | Rights::kFdFilestatGet |
                                        Rights::kPollFdReadwrite | Rights::kFdSync |
                                        Rights::kFdDatasync;

}  // namespace selvedge::wasix
