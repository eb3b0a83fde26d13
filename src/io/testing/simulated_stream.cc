#include "io/testing/simulated_stream.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace selvedge::io::testing {

class SimulatedStream final : public Stream {
 public:
  using Side = SimulatedConnection::Side;

  SimulatedStream(std::shared_ptr<SimulatedConnection> connection, Side side)
      : connection_(std::move(connection)),
        side_(side),
        readable_(connection_->end(side).host->reactor()),
        writable_(connection_->end(side).host->reactor()) {
    readable_.set();
    writable_.set();
  }
  ~SimulatedStream() override {
    connection_->streams_[SimulatedConnection::index(side_)] = nullptr;
    connection_->close_end(side_);
  }

  Attempt try_read(MutableByteSpan buffer) override;
  Attempt try_write(std::span<const ByteSpan> pieces) override;
  Event& readable() noexcept override { return readable_; }
  Event& writable() noexcept override { return writable_; }
  Result<> shutdown_write() override;
  void close() noexcept override {
    connection_->close_end(side_);
    closed_ = true;
    readable_.set();
    writable_.set();
  }
  void abort() noexcept override {
    connection_->break_both();
    close();
  }
  bool hung_up() const noexcept override { return connection_->broken_; }
  SocketAddress local_address() const override { return connection_->end(side_).address; }
  SocketAddress peer_address() const override {
    return connection_->end(SimulatedConnection::other(side_)).address;
  }

 private:
  SimulatedConnection::Direction& incoming() noexcept {
    return connection_->directions_[SimulatedConnection::index(SimulatedConnection::other(side_))];
  }
  SimulatedConnection::Direction& outgoing() noexcept {
    return connection_->directions_[SimulatedConnection::index(side_)];
  }

  std::shared_ptr<SimulatedConnection> connection_;
  Side side_;
  bool closed_ = false;
  Event readable_;
  Event writable_;
};

Attempt SimulatedStream::try_read(MutableByteSpan buffer) {
  SELVEDGE_ASSERT(!buffer.empty());
  if (!readable_.is_set() || !readable_.reactor().spend_inline_operation()) {
    return std::nullopt;
  }
  if (closed_ || connection_->broken_) {
    return fail(ErrorKind::kDisconnected, closed_ ? "the stream is closed" : "connection reset");
  }
  auto& received = incoming().received;
  const std::size_t count = std::min(buffer.size(), received.size());
  if (count == 0) {
    if (incoming().end_received) {
      return std::size_t{0};
    }
    readable_.reset();
    return std::nullopt;
  }
  const auto end = received.begin() + static_cast<std::ptrdiff_t>(count);
  std::copy(received.begin(), end, buffer.begin());
  received.erase(received.begin(), end);
  connection_->received_some(side_);
  return count;
}

Attempt SimulatedStream::try_write(std::span<const ByteSpan> pieces) {
  SELVEDGE_ASSERT(pieces.size() <= kWritePiecesMax);
  if (!writable_.is_set() || !writable_.reactor().spend_inline_operation()) {
    return std::nullopt;
  }
  if (closed_ || connection_->broken_ || outgoing().end_sent) {
    return fail(ErrorKind::kDisconnected, "the peer does not read any more");
  }
  std::size_t room = connection_->room(side_);
  if (room == 0) {
    outgoing().sender_waits = true;
    writable_.reset();
    return std::nullopt;
  }
  std::vector<std::byte> bytes;
  for (const ByteSpan piece : pieces) {
    const ByteSpan taken = piece.first(std::min(piece.size(), room));
    bytes.insert(bytes.end(), taken.begin(), taken.end());
    room -= taken.size();
  }
  const std::size_t count = bytes.size();
  connection_->send(side_, std::move(bytes), false);
  return count;
}

Result<> SimulatedStream::shutdown_write() {
  if (closed_ || connection_->broken_) {
    return fail(ErrorKind::kDisconnected, "the stream is closed");
  }
  if (!std::exchange(outgoing().end_sent, true)) {
    writable_.set();
    connection_->send(side_, {}, true);
  }
  return {};
}

SimulatedConnection::SimulatedConnection(Simulation& simulation, End connecting, End accepting)
    : simulation_(simulation), ends_{std::move(connecting), std::move(accepting)} {}

std::unique_ptr<Stream> SimulatedConnection::make_stream(Side side) {
  SELVEDGE_ASSERT(streams_[index(side)] == nullptr);
  auto stream = std::make_unique<SimulatedStream>(shared_from_this(), side);
  streams_[index(side)] = stream.get();
  return stream;
}

std::size_t SimulatedConnection::room(Side sender) const noexcept {
  const Direction& direction = directions_[index(sender)];
  const std::size_t used = direction.under_way_bytes + direction.received.size();
  const std::size_t capacity = simulation_.options().stream_buffer_bytes;
  return used < capacity ? capacity - used : 0;
}

void SimulatedConnection::send(Side sender, std::vector<std::byte> bytes, bool is_last) {
  Direction& direction = directions_[index(sender)];
  const SimulationOptions& options = simulation_.options();
  const bool was_idle = direction.under_way.empty();
  if (was_idle) {
    direction.progress = simulation_.now();
  }
  ByteSpan rest(bytes);
  do {
    const std::size_t size = std::min(
        rest.size(),
        static_cast<std::size_t>(1 + simulation_.random().below(options.segment_bytes_max)));
    Segment segment;
    segment.bytes.assign(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
    rest = rest.subspan(size);
    segment.is_last = is_last && rest.empty();
    segment.arrival = simulation_.now();
    if (!is_local()) {
      segment.arrival += simulation_.random_latency();
      while (simulation_.chance(options.segment_loss_ppm)) {
        segment.arrival += options.retransmission_delay;
      }
    }
    direction.under_way_bytes += size;
    direction.under_way.push_back(std::move(segment));
  } while (!rest.empty());
  if (was_idle) {
    carry_next(sender);
  }
}

void SimulatedConnection::carry_next(Side sender) {
  const Direction& direction = directions_[index(sender)];
  if (!direction.under_way.empty()) {
    simulation_.at(direction.under_way.front().arrival,
                   [self = shared_from_this(), sender] { self->arrive(sender); });
  }
}

void SimulatedConnection::arrive(Side sender) {
  Direction& direction = directions_[index(sender)];
  const SimulationOptions& options = simulation_.options();
  if (broken_ || direction.under_way.empty()) {
    return;
  }
  if (!simulation_.reachable(*ends_[0].host, *ends_[1].host)) {
    if (simulation_.now() - direction.progress >= options.give_up_after) {
      simulation_.note("give-up", index(sender));
      break_both();
      return;
    }
    direction.under_way.front().arrival = simulation_.now() + options.retransmission_delay;
    carry_next(sender);
    return;
  }
  if (closed_[index(other(sender))] ||
      (!is_local() && simulation_.chance(options.connection_reset_ppm))) {
    simulation_.note("reset", index(sender));
    break_both();
    return;
  }
  Segment segment = std::move(direction.under_way.front());
  direction.under_way.pop_front();
  direction.under_way_bytes -= segment.bytes.size();
  direction.progress = simulation_.now();
  simulation_.note("segment", segment.bytes.size());
  direction.received.insert(direction.received.end(), segment.bytes.begin(), segment.bytes.end());
  direction.end_received |= segment.is_last;
  if (SimulatedStream* receiver = streams_[index(other(sender))]) {
    receiver->readable().set();
  }
  carry_next(sender);
}

void SimulatedConnection::received_some(Side receiver) {
  const Side sender = other(receiver);
  Direction& direction = directions_[index(sender)];
  if (!direction.sender_waits || room(sender) < simulation_.options().stream_buffer_bytes / 2) {
    return;
  }
  direction.sender_waits = false;
  const base::Duration latency = is_local() ? base::Duration(0) : simulation_.random_latency();
  simulation_.at(simulation_.now() + latency, [self = shared_from_this(), sender] {
    if (SimulatedStream* stream = self->streams_[index(sender)]) {
      stream->writable().set();
    }
  });
}

void SimulatedConnection::break_both() noexcept {
  broken_ = true;
  for (Direction& direction : directions_) {
    direction.under_way.clear();
    direction.received.clear();
  }
  for (SimulatedStream* stream : streams_) {
    if (stream != nullptr) {
      stream->readable().set();
      stream->writable().set();
    }
  }
}

void SimulatedConnection::close_end(Side side) noexcept {
  if (std::exchange(closed_[index(side)], true) || broken_) {
    return;
  }
  if (!directions_[index(other(side))].received.empty()) {
    // Data left unread: TCP answers with a reset.
    break_both();
    return;
  }
  if (!std::exchange(directions_[index(side)].end_sent, true)) {
    send(side, {}, true);
  }
}

}  // namespace selvedge::io::testing
