#pragma once

// A pipe in memory: a bounded queue of bytes between a guest and the host, or between two guests.
//
//   PipeEnds pipe = make_pipe(reactor);
//   options.standard_output = pipe.writer;               // the guest's end
//   ... co_await pipe.reader->read(buffer, deadline);    // the host's end
//
// Both ends are handles, so either can be given to a guest; the host uses them through the same
// attempts and events as a stream, or through the tasks below. Backpressure: a writer stops at
// kPipeBytesMax bytes and is told to go on when half of them are gone. What a guest writes in
// pieces of at most kPipeAtomicBytesMax is taken whole or not at all. An end closes when its last
// owner drops it, or by close().

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "io/reactor.h"
#include "io/task.h"
#include "wasix/handle.h"

namespace selvedge::wasix {

inline constexpr std::size_t kPipeBytesMax = 65'536;
inline constexpr std::size_t kPipeBytesLow = kPipeBytesMax / 2;
// PIPE_BUF. A pipe with less room is not writable: else who waits with so much would find none.
inline constexpr std::size_t kPipeAtomicBytesMax = 4096;
static_assert(kPipeAtomicBytesMax <= kPipeBytesMax - kPipeBytesLow);
// Between two times that a guest waits for the reader of its output: as often as the epoch would
// interrupt it, and never a guest that ends sooner.
inline constexpr std::chrono::milliseconds kGiveWayInterval{1};

namespace internal {
class PipeBuffer;
}

// The two ends keep the buffer alive together. One shard's thread.
class PipeReader final : public Handle {
 public:
  explicit PipeReader(std::shared_ptr<internal::PipeBuffer> buffer) noexcept;
  ~PipeReader() override;

  Filetype filetype() const noexcept override { return Filetype::kUnknown; }
  Rights rights_base() const noexcept override { return kStreamRights | Rights::kFdRead; }
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override;
  io::Event* readable() noexcept override;
  Readiness read_readiness() override;

  // For the host: waits until there is something; 0: every writer is gone and all was read.
  // kTimeout.
  io::Task<std::size_t> read(MutableByteSpan buffer, io::Deadline deadline = io::Deadline::never());
  // Nobody will read any more: writers get kPipe. Idempotent.
  void close() noexcept;

 private:
  std::shared_ptr<internal::PipeBuffer> buffer_;
};

class PipeWriter final : public Handle {
 public:
  PipeWriter(std::shared_ptr<internal::PipeBuffer> buffer, bool counts_as_output) noexcept;
  ~PipeWriter() override;

  Filetype filetype() const noexcept override { return Filetype::kUnknown; }
  Rights rights_base() const noexcept override { return kStreamRights | Rights::kFdWrite; }
  // All or nothing (kAgain) of up to kPipeAtomicBytesMax bytes. No bytes are also written when
  // nobody reads.
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override;
  io::Event* writable() noexcept override;
  Readiness write_readiness() override;
  bool counts_as_output() const noexcept override { return counts_as_output_; }
  bool gives_way(base::Duration cpu_time) noexcept override;

  // For the host: writes everything. kDisconnected: the reader is gone; kTimeout.
  io::Task<> write_all(ByteSpan bytes, io::Deadline deadline = io::Deadline::never());
  // The reader sees the end after what was written. Idempotent.
  void close() noexcept;

 private:
  std::shared_ptr<internal::PipeBuffer> buffer_;
  bool counts_as_output_;
  // How long the fiber had run when it last did.
  base::Duration gave_way_at_{};
};

struct PipeEnds {
  std::shared_ptr<PipeReader> reader;
  std::shared_ptr<PipeWriter> writer;
};

struct PipeOptions {
  // What a guest writes counts against its process's limit of output: for pipes that lead out of
  // the guest.
  bool counts_as_output = false;
};

PipeEnds make_pipe(io::Reactor& reactor, PipeOptions options = {});

}  // namespace selvedge::wasix
