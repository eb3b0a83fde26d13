#include "io/stream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"

namespace selvedge::io {
namespace {

Task<std::size_t> read_when_ready(Stream& stream, MutableByteSpan buffer, Deadline deadline) {
  for (;;) {
    SELVEDGE_CO_TRY_VOID(co_await stream.readable().wait(deadline));
    SELVEDGE_CO_TRY(const std::optional<std::size_t> count, stream.try_read(buffer));
    if (count) {
      co_return *count;
    }
  }
}

// Up to kWritePiecesMax pieces of which a prefix has been written.
class RemainingPieces {
 public:
  explicit RemainingPieces(std::span<const ByteSpan> pieces) noexcept : count_(pieces.size()) {
    std::ranges::copy(pieces, pieces_.begin());
    skip(0);
  }
  std::span<const ByteSpan> span() const noexcept {
    return std::span(pieces_).subspan(first_, count_ - first_);
  }
  bool empty() const noexcept { return first_ == count_; }
  void skip(std::size_t written) noexcept {
    while (first_ < count_ && written >= pieces_[first_].size()) {
      written -= pieces_[first_].size();
      ++first_;
    }
    if (first_ < count_) {
      pieces_[first_] = pieces_[first_].subspan(written);
    } else {
      SELVEDGE_ASSERT(written == 0);
    }
  }

 private:
  std::array<ByteSpan, Stream::kWritePiecesMax> pieces_;
  std::size_t first_ = 0;
  std::size_t count_;
};

Task<> write_when_ready(Stream& stream, RemainingPieces pieces, Deadline deadline) {
  while (!pieces.empty()) {
    SELVEDGE_CO_TRY_VOID(co_await stream.writable().wait(deadline));
    SELVEDGE_CO_TRY(const std::optional<std::size_t> count, stream.try_write(pieces.span()));
    if (count) {
      pieces.skip(*count);
    }
  }
  co_return {};
}

Task<std::unique_ptr<Stream>> accept_when_ready(Listener& listener, Deadline deadline) {
  for (;;) {
    SELVEDGE_CO_TRY_VOID(co_await listener.acceptable().wait(deadline));
    SELVEDGE_CO_TRY(std::unique_ptr<Stream> stream, listener.try_accept());
    if (stream) {
      co_return stream;
    }
  }
}

}  // namespace

Task<std::size_t> Stream::read(MutableByteSpan buffer, Deadline deadline) {
  Attempt attempt = try_read(buffer);
  if (!attempt) {
    return Task<std::size_t>::ready(fail(std::move(attempt).error()));
  }
  if (*attempt) {
    return Task<std::size_t>::ready(**attempt);
  }
  return read_when_ready(*this, buffer, deadline);
}

Task<> Stream::read_exactly(MutableByteSpan buffer, Deadline deadline) {
  while (!buffer.empty()) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await read(buffer, deadline));
    if (count == 0) {
      co_return fail(ErrorKind::kDisconnected, "the stream ended in the middle of a message");
    }
    buffer = buffer.subspan(count);
  }
  co_return {};
}

Task<> Stream::write_all(ByteSpan bytes, Deadline deadline) {
  return write_all(std::span(&bytes, 1), deadline);
}

Task<> Stream::write_all(std::span<const ByteSpan> pieces, Deadline deadline) {
  SELVEDGE_ASSERT(pieces.size() <= kWritePiecesMax);
  std::size_t total = 0;
  for (const ByteSpan piece : pieces) {
    total += piece.size();
  }
  if (total == 0) {
    return Task<>::ready({});
  }
  Attempt attempt = try_write(pieces);
  if (!attempt) {
    return Task<>::ready(fail(std::move(attempt).error()));
  }
  const std::size_t written = attempt->value_or(0);
  if (written == total) {
    return Task<>::ready({});
  }
  RemainingPieces rest(pieces);
  rest.skip(written);
  return write_when_ready(*this, rest, deadline);
}

Task<std::unique_ptr<Stream>> Listener::accept(Deadline deadline) {
  Result<std::unique_ptr<Stream>> attempt = try_accept();
  if (!attempt || *attempt) {
    return Task<std::unique_ptr<Stream>>::ready(std::move(attempt));
  }
  return accept_when_ready(*this, deadline);
}

}  // namespace selvedge::io
