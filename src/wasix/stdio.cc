#include "wasix/stdio.h"

#include <algorithm>
#include <array>
#include <utility>

#include "wasix/host_errno.h"

namespace selvedge::wasix {

namespace {

// What a guest sees of an attempt that has failed: the host's errno, if the stream knows it, else
// `disconnected` when the peer is gone.
Errno errno_of(const io::Stream& stream, const Error& error, Errno disconnected) noexcept {
  if (const int host_errno = stream.system_error(); host_errno != 0) {
    return errno_from_host(host_errno);
  }
  return error.kind() == ErrorKind::kDisconnected ? disconnected : Errno::kIo;
}

std::size_t total_size(std::span<const ByteSpan> buffers) noexcept {
  std::size_t total = 0;
  for (const ByteSpan buffer : buffers) {
    total += buffer.size();
  }
  return total;
}

}  // namespace

StreamHandle::StreamHandle(std::shared_ptr<io::Stream> stream, Options options) noexcept
    : stream_(std::move(stream)), options_(options) {}

Rights StreamHandle::rights_base() const noexcept {
  Rights rights = kStreamRights;
  if (options_.readable) {
    rights |= Rights::kFdRead;
  }
  if (options_.writable) {
    rights |= Rights::kFdWrite;
  }
  return rights;
}

// Into the first buffer with room only: a second read could have to wait, and the first one's bytes
// must not.
ErrnoResult<std::size_t> StreamHandle::try_read(std::span<const MutableByteSpan> buffers) {
  if (!options_.readable) {
    return refuse(Errno::kBadf);
  }
  const auto buffer = std::ranges::find_if(buffers, [](auto span) { return !span.empty(); });
  if (buffer == buffers.end()) {
    return std::size_t{0};
  }
  const io::Attempt attempt = stream_->try_read(*buffer);
  if (!attempt) {
    return refuse(errno_of(*stream_, attempt.error(), Errno::kConnreset));
  }
  if (!attempt->has_value()) {
    return refuse(Errno::kAgain);
  }
  return **attempt;
}

ErrnoResult<std::size_t> StreamHandle::try_write(std::span<const ByteSpan> buffers) {
  if (!options_.writable) {
    return refuse(Errno::kBadf);
  }
  if (total_size(buffers) == 0) {
    return std::size_t{0};
  }
  std::array<ByteSpan, io::Stream::kWritePiecesMax> pieces;
  std::size_t count = 0;
  for (const ByteSpan buffer : buffers) {
    if (!buffer.empty() && count < pieces.size()) {
      pieces[count++] = buffer;
    }
  }
  const io::Attempt attempt = stream_->try_write(std::span(pieces).first(count));
  if (!attempt) {
    return refuse(errno_of(*stream_, attempt.error(), Errno::kPipe));
  }
  if (!attempt->has_value()) {
    return refuse(Errno::kAgain);
  }
  return **attempt;
}

io::Event* StreamHandle::readable() noexcept { return &stream_->readable(); }

io::Event* StreamHandle::writable() noexcept { return &stream_->writable(); }

Readiness StreamHandle::read_readiness() { return {.ready = stream_->check_readable()}; }

Readiness StreamHandle::write_readiness() { return {.ready = stream_->check_writable()}; }

Rights NullHandle::rights_base() const noexcept {
  return kStreamRights | Rights::kFdRead | Rights::kFdWrite | Rights::kFdSeek | Rights::kFdTell;
}

ErrnoResult<std::size_t> NullHandle::try_read(std::span<const MutableByteSpan>) {
  return std::size_t{0};
}

ErrnoResult<std::size_t> NullHandle::try_write(std::span<const ByteSpan> buffers) {
  return total_size(buffers);
}

LineHandle::LineHandle(Sink sink) noexcept : sink_(std::move(sink)) {}

LineHandle::~LineHandle() {
  if (!line_.empty()) {
    sink_(line_);
  }
}

ErrnoResult<std::size_t> LineHandle::try_write(std::span<const ByteSpan> buffers) {
  // Of copies, because the guest may change its bytes while lines are cut.
  for (const ByteSpan buffer : buffers) {
    append(std::string(base::as_text(buffer)));
  }
  return total_size(buffers);
}

void LineHandle::append(std::string_view text) {
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    const std::string_view piece = text.substr(0, std::min(newline, kLineBytesMax - line_.size()));
    line_ += piece;
    text.remove_prefix(piece.size());
    const bool ended = !text.empty() && text.front() == '\n';
    if (ended) {
      text.remove_prefix(1);
    }
    if (ended || line_.size() == kLineBytesMax) {
      sink_(line_);
      line_.clear();
    }
  }
}

}  // namespace selvedge::wasix
