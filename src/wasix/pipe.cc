#include "wasix/pipe.h"

#include <algorithm>
#include <utility>

#include "wasix/internal/byte_ring.h"

namespace selvedge::wasix {

namespace internal {

// What both ends share.
class PipeBuffer {
 public:
  explicit PipeBuffer(io::Reactor& reactor) noexcept : readable_(reactor), writable_(reactor) {
    writable_.set();
  }

  std::size_t size() const noexcept { return bytes_.size(); }
  std::size_t room() const noexcept { return kPipeBytesMax - bytes_.size(); }
  bool reader_closed() const noexcept { return reader_closed_; }
  bool writer_closed() const noexcept { return writer_closed_; }
  io::Event& readable() noexcept { return readable_; }
  io::Event& writable() noexcept { return writable_; }

  std::size_t pop(MutableByteSpan target) noexcept { return bytes_.pop(target); }
  std::size_t push(ByteSpan source) { return bytes_.push(source, kPipeBytesMax); }

  void after_read() noexcept {
    if (size() == 0 && !writer_closed_) {
      readable_.reset();
    }
    if (size() <= kPipeBytesLow && !writable_.is_set()) {
      writable_.set();
    }
  }
  void after_write() noexcept {
    // Also when it is set: each write is an edge to who observes them.
    if (size() > 0) {
      readable_.set();
    }
    if (room() < kPipeAtomicBytesMax) {
      writable_.reset();
    }
  }
  void close_reader() noexcept {
    if (!std::exchange(reader_closed_, true)) {
      bytes_.clear();
      readable_.set();
      writable_.set();
    }
  }
  void close_writer() noexcept {
    if (!std::exchange(writer_closed_, true)) {
      readable_.set();
      writable_.set();
    }
  }

 private:
  // A ring that grows has two blocks for a moment.
  MemoryBudget budget_{2 * kPipeBytesMax};
  ByteRing bytes_{budget_};
  bool reader_closed_ = false;
  bool writer_closed_ = false;
  io::Event readable_;
  io::Event writable_;
};

}  // namespace internal

PipeReader::PipeReader(std::shared_ptr<internal::PipeBuffer> buffer) noexcept
    : buffer_(std::move(buffer)) {}

PipeReader::~PipeReader() { buffer_->close_reader(); }

ErrnoResult<std::size_t> PipeReader::try_read(std::span<const MutableByteSpan> buffers) {
  std::size_t wanted = 0;
  std::size_t count = 0;
  for (const MutableByteSpan buffer : buffers) {
    wanted += buffer.size();
    count += buffer_->pop(buffer);
  }
  if (count == 0 && wanted > 0 && !buffer_->writer_closed() && !buffer_->reader_closed()) {
    return refuse(Errno::kAgain);
  }
  buffer_->after_read();
  return count;
}

io::Event* PipeReader::readable() noexcept { return &buffer_->readable(); }

Readiness PipeReader::read_readiness() {
  return {
      .ready = buffer_->size() > 0, .hangup = buffer_->writer_closed(), .bytes = buffer_->size()};
}

io::Task<std::size_t> PipeReader::read(MutableByteSpan buffer, io::Deadline deadline) {
  // The reader may be dropped by its owner while this waits for it.
  const std::shared_ptr<internal::PipeBuffer> pipe = buffer_;
  for (;;) {
    const std::size_t count = pipe->pop(buffer);
    if (count > 0 || buffer.empty() || pipe->writer_closed() || pipe->reader_closed()) {
      pipe->after_read();
      co_return count;
    }
    SELVEDGE_CO_TRY_VOID(co_await pipe->readable().wait(deadline));
  }
}

void PipeReader::close() noexcept { buffer_->close_reader(); }

PipeWriter::PipeWriter(std::shared_ptr<internal::PipeBuffer> buffer, bool counts_as_output) noexcept
    : buffer_(std::move(buffer)), counts_as_output_(counts_as_output) {}

PipeWriter::~PipeWriter() { buffer_->close_writer(); }

ErrnoResult<std::size_t> PipeWriter::try_write(std::span<const ByteSpan> buffers) {
  std::size_t wanted = 0;
  for (const ByteSpan buffer : buffers) {
    wanted += buffer.size();
  }
  if (wanted == 0) {
    return std::size_t{0};
  }
  if (buffer_->reader_closed() || buffer_->writer_closed()) {
    return refuse(Errno::kPipe);
  }
  if (buffer_->room() < std::min(wanted, kPipeAtomicBytesMax)) {
    return refuse(Errno::kAgain);
  }
  std::size_t count = 0;
  for (const ByteSpan buffer : buffers) {
    count += buffer_->push(buffer);
  }
  buffer_->after_write();
  return count;
}

bool PipeWriter::gives_way(base::Duration cpu_time) noexcept {
  if (!counts_as_output_ || cpu_time - gave_way_at_ < kGiveWayInterval ||
      !buffer_->readable().has_waiters()) {
    return false;
  }
  gave_way_at_ = cpu_time;
  return true;
}

io::Event* PipeWriter::writable() noexcept { return &buffer_->writable(); }

Readiness PipeWriter::write_readiness() {
  return {.ready = buffer_->writable().is_set(),
          .hangup = buffer_->reader_closed(),
          .bytes = buffer_->room()};
}

io::Task<> PipeWriter::write_all(ByteSpan bytes, io::Deadline deadline) {
  const std::shared_ptr<internal::PipeBuffer> pipe = buffer_;
  while (!bytes.empty()) {
    if (pipe->reader_closed() || pipe->writer_closed()) {
      co_return fail(ErrorKind::kDisconnected, "the other end of the pipe is closed");
    }
    const std::size_t count = pipe->push(bytes);
    bytes = bytes.subspan(count);
    pipe->after_write();
    if (!bytes.empty()) {
      SELVEDGE_CO_TRY_VOID(co_await pipe->writable().wait(deadline));
    }
  }
  co_return Result<>();
}

void PipeWriter::close() noexcept { buffer_->close_writer(); }

PipeEnds make_pipe(io::Reactor& reactor, PipeOptions options) {
  auto buffer = std::make_shared<internal::PipeBuffer>(reactor);
  return {.reader = std::make_shared<PipeReader>(buffer),
          .writer = std::make_shared<PipeWriter>(buffer, options.counts_as_output)};
}

}  // namespace selvedge::wasix
