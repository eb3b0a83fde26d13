#include "io/shard_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <vector>

namespace selvedge::io {
namespace {

class ShardStream;

constexpr std::size_t other(std::size_t side) noexcept { return 1 - side; }

// What `side` of a connection sends: a ring of bytes.
struct Direction {
  std::vector<std::byte> ring;  // empty until the first byte
  std::size_t begin = 0;
  std::size_t size = 0;
  bool finished = false;      // nothing more is written
  bool broken = false;        // what is under way is lost
  bool abandoned = false;     // nobody reads any more
  bool reader_waits = false;  // to be woken when there is something
  bool writer_waits = false;  // to be woken when there is room
};

// Shared by both ends. Everything but `ends` is guarded by the mutex.
struct Connection {
  Connection(Reactor& first, Reactor& second) noexcept : reactors{&first, &second} {}

  std::array<Reactor*, 2> reactors;
  // Each is read and written on its reactor's thread only.
  std::array<ShardStream*, 2> ends{};
  std::mutex mutex;
  std::array<Direction, 2> directions;  // by the side that writes
  std::array<bool, 2> open{true, true};
};

class ShardStream final : public Stream {
 public:
  ShardStream(std::shared_ptr<Connection> connection, std::size_t side) noexcept
      : connection_(std::move(connection)),
        side_(side),
        reactor_(*connection_->reactors[side]),
        readable_(reactor_),
        writable_(reactor_) {
    readable_.set();
    writable_.set();
    connection_->ends[side] = this;
  }

  ~ShardStream() override {
    close();
    connection_->ends[side_] = nullptr;
    const std::lock_guard lock(connection_->mutex);
    connection_->open[side_] = false;
  }

  Attempt try_read(MutableByteSpan buffer) override {
    if (closed_) {
      return fail(ErrorKind::kDisconnected, "the stream is closed");
    }
    if (!reactor_.spend_inline_operation()) {
      return std::optional<std::size_t>();
    }
    const std::lock_guard lock(connection_->mutex);
    Direction& from = connection_->directions[other(side_)];
    if (from.broken) {
      return fail(ErrorKind::kDisconnected, "the other end broke the connection");
    }
    if (from.size == 0) {
      if (from.finished) {
        return std::optional<std::size_t>(0);
      }
      from.reader_waits = true;
      readable_.reset();
      return std::optional<std::size_t>();
    }
    const std::size_t count = std::min(buffer.size(), from.size);
    const std::size_t before_end = std::min(count, kShardStreamBytes - from.begin);
    std::memcpy(buffer.data(), from.ring.data() + from.begin, before_end);
    std::memcpy(buffer.data() + before_end, from.ring.data(), count - before_end);
    from.begin = (from.begin + count) % kShardStreamBytes;
    from.size -= count;
    // Not for every byte: a writer that waits gets room for a good piece.
    if (from.writer_waits && from.size <= kShardStreamBytes / 2) {
      from.writer_waits = false;
      wake_other();
    }
    return std::optional(count);
  }

  Attempt try_write(std::span<const ByteSpan> pieces) override {
    if (closed_ || write_ended_) {
      return fail(ErrorKind::kDisconnected, "the stream is closed for writing");
    }
    if (!reactor_.spend_inline_operation()) {
      return std::optional<std::size_t>();
    }
    const std::lock_guard lock(connection_->mutex);
    Direction& to = connection_->directions[side_];
    if (to.abandoned) {
      return fail(ErrorKind::kDisconnected, "the other end does not read any more");
    }
    std::size_t written = 0;
    bool empty = true;
    for (ByteSpan piece : pieces) {
      empty = empty && piece.empty();
      written += append(to, piece);
    }
    if (written == 0 && !empty) {
      to.writer_waits = true;
      writable_.reset();
      return std::optional<std::size_t>();
    }
    if (to.reader_waits) {
      to.reader_waits = false;
      wake_other();
    }
    return std::optional(written);
  }

  Event& readable() noexcept override { return readable_; }
  Event& writable() noexcept override { return writable_; }

  Result<> shutdown_write() override {
    if (!write_ended_) {
      write_ended_ = true;
      const std::lock_guard lock(connection_->mutex);
      connection_->directions[side_].finished = true;
      wake_other();
    }
    return {};
  }

  void close() noexcept override { end(false); }
  void abort() noexcept override { end(true); }

  SocketAddress local_address() const override { return {}; }
  SocketAddress peer_address() const override { return {}; }

 private:
  static std::size_t append(Direction& to, ByteSpan bytes) {
    const std::size_t count = std::min(bytes.size(), kShardStreamBytes - to.size);
    if (count == 0) {
      return 0;
    }
    to.ring.resize(kShardStreamBytes);
    const std::size_t end = (to.begin + to.size) % kShardStreamBytes;
    const std::size_t before_end = std::min(count, kShardStreamBytes - end);
    std::memcpy(to.ring.data() + end, bytes.data(), before_end);
    std::memcpy(to.ring.data(), bytes.data() + before_end, count - before_end);
    to.size += count;
    return count;
  }

  void end(bool broken) noexcept {
    if (closed_) {
      return;
    }
    closed_ = true;
    write_ended_ = true;
    readable_.set();
    writable_.set();
    const std::lock_guard lock(connection_->mutex);
    connection_->directions[side_].finished = true;
    connection_->directions[side_].broken = broken;
    connection_->directions[other(side_)].abandoned = true;
    wake_other();
  }

  // With the mutex held. An end that is open has a reactor; one that is gone needs no waking.
  void wake_other() noexcept {
    if (!connection_->open[other(side_)]) {
      return;
    }
    connection_->reactors[other(side_)]->post([connection = connection_, side = other(side_)] {
      if (ShardStream* const end = connection->ends[side]; end != nullptr) {
        end->readable_.set();
        end->writable_.set();
      }
    });
  }

  std::shared_ptr<Connection> connection_;
  std::size_t side_;
  Reactor& reactor_;
  Event readable_;
  Event writable_;
  bool closed_ = false;
  bool write_ended_ = false;
};

}  // namespace

ShardStreamPair make_shard_stream_pair(Reactor& first, Reactor& second) {
  const auto connection = std::make_shared<Connection>(first, second);
  return {.first = std::make_unique<ShardStream>(connection, 0),
          .second = std::make_unique<ShardStream>(connection, 1)};
}

}  // namespace selvedge::io
