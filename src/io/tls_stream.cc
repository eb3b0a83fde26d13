#include "io/tls_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace selvedge::io {
namespace {

// Records that one write fills before others have their turn.
constexpr int kRecordsPerWrite = 4;

[[gnu::cold]] std::unexpected<Error> closed_error() {
  return fail(ErrorKind::kDisconnected, "the stream is closed");
}

// The bytes of `pieces` from `begin` on, at most a record: where they lie, or copied together.
ByteSpan gather(std::span<const ByteSpan> pieces, std::size_t begin, MutableByteSpan buffer) {
  std::size_t filled = 0;
  for (ByteSpan piece : pieces) {
    const std::size_t skipped = std::min(begin, piece.size());
    begin -= skipped;
    piece = piece.subspan(skipped);
    if (filled == 0 && piece.size() >= buffer.size()) {
      return piece.first(buffer.size());
    }
    const std::size_t count = std::min(piece.size(), buffer.size() - filled);
    std::ranges::copy(piece.first(count), buffer.subspan(filled).begin());
    filled += count;
  }
  return buffer.first(filled);
}

}  // namespace

std::unique_ptr<TlsStream> TlsStream::create(Reactor& reactor, std::unique_ptr<Stream> connection,
                                             const crypto::TlsContext& context,
                                             const TlsOptions& options) {
  return std::unique_ptr<TlsStream>(
      new TlsStream(reactor, std::move(connection), context, options));
}

TlsStream::TlsStream(Reactor& reactor, std::unique_ptr<Stream> connection,
                     const crypto::TlsContext& context, const TlsOptions& options)
    : reactor_(reactor),
      connection_(std::move(connection)),
      plain_http_answer_(options.plain_http_answer),
      session_(context, *this),
      readable_(reactor),
      writable_(reactor),
      below_readable_(*this,
                      [](EventObserver& observer) noexcept {
                        static_cast<Observer&>(observer).stream.connection_readable();
                      }),
      below_writable_(*this,
                      [](EventObserver& observer) noexcept {
                        static_cast<Observer&>(observer).stream.connection_writable();
                      }),
      timer_(*this),
      flush_work_(*this) {
  readable_.set();
  writable_.set();
  connection_->readable().observe(below_readable_);
  connection_->writable().observe(below_writable_);
  reactor_.timers().arm(timer_, reactor_.now() + options.handshake_time_max);
}

TlsStream::~TlsStream() { close(); }

void TlsStream::HandshakeTimer::fired(Timer& timer) noexcept {
  TlsStream& stream = static_cast<HandshakeTimer&>(timer).stream;
  [[maybe_unused]] const auto broken =
      stream.break_with(Error(ErrorKind::kTimeout, "the TLS handshake took too long"));
}

// ---- What the session asks of the connection ----

std::optional<std::size_t> TlsStream::read_encrypted(MutableByteSpan buffer) noexcept {
  if (connection_failed_) {
    return 0;
  }
  // A peer that does not read what it causes does not cause more.
  if (unsent_.size() - unsent_begin_ > kUnsentBytesMax) {
    return std::nullopt;
  }
  const Attempt attempt = connection_->try_read(buffer);
  if (!attempt) {
    connection_failed_ = true;
    return 0;
  }
  return *attempt;
}

void TlsStream::write_encrypted(ByteSpan bytes) noexcept {
  if (connection_failed_) {
    return;
  }
  if (unsent_.empty()) {
    const Attempt attempt = connection_->try_write(std::span(&bytes, 1));
    if (!attempt) {
      connection_failed_ = true;
      return;
    }
    bytes = bytes.subspan(attempt->value_or(0));
  }
  if (unsent_.size() + bytes.size() > 2 * kUnsentBytesMax) {
    connection_failed_ = true;
    return;
  }
  unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
  flush_later();
}

// When the connection is ready and only this task's turn was over, nothing else would come back.
void TlsStream::flush_later() noexcept {
  if (!unsent_.empty() && connection_->writable().is_set()) {
    reactor_.schedule(flush_work_);
  }
}

void TlsStream::flush() noexcept {
  if (unsent_.empty() || closed_) {
    return;
  }
  if (!connection_failed_) {
    const ByteSpan rest = ByteSpan(unsent_).subspan(unsent_begin_);
    const Attempt attempt = connection_->try_write(std::span(&rest, 1));
    connection_failed_ = !attempt;
    unsent_begin_ += attempt ? attempt->value_or(0) : 0;
  }
  if (!connection_failed_ && unsent_begin_ < unsent_.size()) {
    flush_later();
    return;
  }
  unsent_ = {};
  unsent_begin_ = 0;
  if (write_ended_ && !connection_failed_) {
    [[maybe_unused]] const auto ended = connection_->shutdown_write();
  }
  readable_.set();
  writable_.set();
}

// ---- What the connection tells ----

void TlsStream::connection_readable() noexcept {
  readable_.set();
  if (!ready_) {
    writable_.set();
  }
}

void TlsStream::connection_writable() noexcept {
  if (!unsent_.empty() && !closed_) {
    reactor_.schedule(flush_work_);
  }
}

// ---- Streams ----

std::unexpected<Error> TlsStream::break_with(Error error) {
  timer_.cancel();
  if (!error_) {
    error_ = std::move(error);
  }
  readable_.set();
  writable_.set();
  return fail(error_->clone());
}

Result<bool> TlsStream::advance() {
  if (closed_) {
    return closed_error();
  }
  if (error_) {
    return fail(error_->clone());
  }
  if (ready_) {
    return true;
  }
  Result<bool> done = session_.handshake();
  if (!done) {
    if (session_.peer_speaks_plain_http() && !plain_http_answer_.empty()) {
      unsent_ = {};
      write_encrypted(base::as_bytes(plain_http_answer_));
    }
    return break_with(std::move(done).error());
  }
  if (*done) {
    ready_ = true;
    timer_.cancel();
    readable_.set();
    writable_.set();
  }
  return done;
}

Attempt TlsStream::wait_to_read() noexcept {
  if (!connection_->readable().is_set() || unsent_.size() - unsent_begin_ > kUnsentBytesMax) {
    readable_.reset();
  }
  return std::nullopt;
}

// Woken by flush(), or during the handshake by what comes.
Attempt TlsStream::wait_to_write() noexcept {
  if (ready_ || !connection_->readable().is_set()) {
    writable_.reset();
  }
  return std::nullopt;
}

void TlsStream::discard_rest() noexcept {
  std::array<std::byte, 256> rest [[clang::uninitialized]];
  if (!connection_failed_ && !connection_->try_read(rest)) {
    connection_failed_ = true;
  }
}

Attempt TlsStream::try_read(MutableByteSpan buffer) {
  SELVEDGE_DCHECK(!buffer.empty());
  if (!readable_.is_set() || !reactor_.spend_inline_operation()) {
    return std::nullopt;
  }
  SELVEDGE_TRY(const bool ready, advance());
  if (!ready) {
    return wait_to_read();
  }
  if (ended_) {
    discard_rest();
    return std::size_t{0};
  }
  auto count = session_.read(buffer);
  if (!count) {
    return break_with(std::move(count).error());
  }
  if (!count->has_value()) {
    return wait_to_read();
  }
  ended_ = **count == 0;
  return count;
}

Attempt TlsStream::try_write(std::span<const ByteSpan> pieces) {
  SELVEDGE_DCHECK(pieces.size() <= kWritePiecesMax);
  if (!writable_.is_set() || !reactor_.spend_inline_operation()) {
    return std::nullopt;
  }
  SELVEDGE_TRY(const bool ready, advance());
  if (write_ended_) {
    return closed_error();
  }
  if (!ready) {
    return wait_to_write();
  }
  std::size_t total = 0;
  for (const ByteSpan piece : pieces) {
    total += piece.size();
  }
  flush();
  if (connection_failed_) {
    return break_with(Error(ErrorKind::kDisconnected, "the connection broke"));
  }
  if (!unsent_.empty()) {
    return total == 0 ? Attempt(0) : wait_to_write();
  }
  std::size_t written = std::min(taken_unreported_, total);
  taken_unreported_ -= written;
  std::array<std::byte, crypto::TlsSession::kRecordBytesMax> buffer [[clang::uninitialized]];
  for (int records = 0; records < kRecordsPerWrite && written < total; ++records) {
    const ByteSpan bytes = gather(pieces, written, buffer);
    if (auto done = session_.write(bytes); !done) {
      return break_with(std::move(done).error());
    }
    if (connection_failed_) {
      return break_with(Error(ErrorKind::kDisconnected, "the connection broke"));
    }
    if (!unsent_.empty()) {
      taken_unreported_ = bytes.size();
      break;
    }
    written += bytes.size();
  }
  if (written == 0 && total != 0) {
    return wait_to_write();
  }
  return written;
}

Result<> TlsStream::shutdown_write() {
  if (closed_) {
    return closed_error();
  }
  if (std::exchange(write_ended_, true)) {
    return {};
  }
  writable_.set();
  if (ready_ && !error_) {
    session_.finish_writing();
  }
  return unsent_.empty() ? connection_->shutdown_write() : Result<>();
}

void TlsStream::close() noexcept {
  if (std::exchange(closed_, true)) {
    return;
  }
  timer_.cancel();
  flush_work_.unlink();
  if (ready_ && !error_ && !write_ended_ && unsent_.empty()) {
    session_.finish_writing();
    flush_work_.unlink();
  }
  connection_->close();
  readable_.set();
  writable_.set();
}

void TlsStream::abort() noexcept {
  if (!closed_) {
    connection_->abort();
    connection_failed_ = true;
    close();
  }
}

Task<> TlsStream::handshake() {
  for (;;) {
    SELVEDGE_CO_TRY(const bool done, advance());
    if (done) {
      co_return {};
    }
    if (!wait_to_read()) {
      co_return closed_error();
    }
    // The handshake's own timer ends it.
    co_await readable_.wait();
  }
}

}  // namespace selvedge::io
