#include "wasix/pipe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace selvedge::wasix {

namespace internal {

// A ring of bytes. Its memory grows with what is written at once, from nothing: most pipes of a
// request stay unused or carry little, and a request's time is short next to the allocation of 64
// KiB.
class PipeBuffer {
 public:
  explicit PipeBuffer(io::Reactor& reactor) noexcept : readable_(reactor), writable_(reactor) {
    writable_.set();
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t room() const noexcept { return kPipeBytesMax - size_; }
  bool reader_closed() const noexcept { return reader_closed_; }
  bool writer_closed() const noexcept { return writer_closed_; }
  io::Event& readable() noexcept { return readable_; }
  io::Event& writable() noexcept { return writable_; }

  std::size_t pop(MutableByteSpan target) noexcept {
    const std::size_t count = std::min(target.size(), size_);
    const std::size_t first = std::min(count, capacity_ - begin_);
    if (count > 0) {
      std::memcpy(target.data(), bytes_.get() + begin_, first);
      if (count > first) {
        std::memcpy(target.data() + first, bytes_.get(), count - first);
      }
      size_ -= count;
      begin_ = size_ == 0 ? 0 : (begin_ + count) % capacity_;
    }
    return count;
  }

  std::size_t push(ByteSpan source) {
    const std::size_t count = std::min(source.size(), room());
    if (count == 0) {
      return 0;
    }
    if (size_ + count > capacity_) {
      grow(size_ + count);
    }
    const std::size_t end = (begin_ + size_) % capacity_;
    const std::size_t first = std::min(count, capacity_ - end);
    std::memcpy(bytes_.get() + end, source.data(), first);
    if (count > first) {
      std::memcpy(bytes_.get(), source.data() + first, count - first);
    }
    size_ += count;
    return count;
  }

  void after_read() noexcept {
    if (size_ == 0 && !writer_closed_) {
      readable_.reset();
    }
    if (size_ <= kPipeBytesLow && !writable_.is_set()) {
      writable_.set();
    }
  }
  void after_write() noexcept {
    // Also when it is set: each write is an edge to who observes them.
    if (size_ > 0) {
      readable_.set();
    }
    if (room() == 0) {
      writable_.reset();
    }
  }
  void close_reader() noexcept {
    if (!std::exchange(reader_closed_, true)) {
      size_ = 0;
      begin_ = 0;
      capacity_ = 0;
      bytes_.reset();
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
  static constexpr std::size_t kFirstBytes = 2048;

  void grow(std::size_t needed) {
    const std::size_t capacity =
        std::min(std::max(std::bit_ceil(needed), kFirstBytes), kPipeBytesMax);
    auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
    const std::size_t size = pop({larger.get(), capacity});
    bytes_ = std::move(larger);
    capacity_ = capacity;
    begin_ = 0;
    size_ = size;
  }

  std::unique_ptr<std::byte[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
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
  return {.ready = buffer_->size() > 0 || buffer_->writer_closed(),
          .hangup = buffer_->writer_closed(),
          .bytes = buffer_->size()};
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
  if (buffer_->reader_closed() || buffer_->writer_closed()) {
    return refuse(Errno::kPipe);
  }
  std::size_t wanted = 0;
  std::size_t count = 0;
  for (const ByteSpan buffer : buffers) {
    wanted += buffer.size();
    count += buffer_->push(buffer);
  }
  if (count == 0 && wanted > 0) {
    return refuse(Errno::kAgain);
  }
  buffer_->after_write();
  return count;
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
