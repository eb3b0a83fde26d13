#include "wasix/internal/loopback_stream.h"

#include <utility>

#include "base/assert.h"

namespace selvedge::wasix::internal {

namespace {

io::Attempt disconnected(bool closed_here) {
  return fail(ErrorKind::kDisconnected,
              closed_here ? "the stream is closed" : "the guest closed or reset the connection");
}

io::Attempt outcome(const ErrnoResult<std::size_t>& result) {
  if (result) {
    return *result;
  }
  switch (result.error()) {
    case Errno::kAgain:
      return std::nullopt;
    case Errno::kNobufs:
      return fail(ErrorKind::kOverloaded, "the memory of the guest's network is used up");
    default:
      return disconnected(false);
  }
}

}  // namespace

LoopbackStream::LoopbackStream(std::unique_ptr<StreamEnd> end, SocketSlot slot,
                               std::unique_ptr<PortBinding> binding) noexcept
    : slot_(std::move(slot)), binding_(std::move(binding)), end_(std::move(end)) {}

io::Attempt LoopbackStream::try_read(MutableByteSpan buffer) {
  SELVEDGE_DCHECK(!buffer.empty());
  if (!readable().is_set() || !readable().reactor().spend_inline_operation()) {
    return std::nullopt;
  }
  if (closed_) {
    return disconnected(true);
  }
  return outcome(end_->read(std::span(&buffer, 1), false));
}

io::Attempt LoopbackStream::try_write(std::span<const ByteSpan> pieces) {
  SELVEDGE_DCHECK(pieces.size() <= kWritePiecesMax);
  if (!writable().is_set() || !writable().reactor().spend_inline_operation()) {
    return std::nullopt;
  }
  if (closed_) {
    return disconnected(true);
  }
  return outcome(end_->write(pieces));
}

Result<> LoopbackStream::shutdown_write() {
  end_->shutdown_write();
  return {};
}

void LoopbackStream::close() noexcept {
  closed_ = true;
  end_->close();
}

void LoopbackStream::abort() noexcept {
  closed_ = true;
  end_->reset();
}

}  // namespace selvedge::wasix::internal
