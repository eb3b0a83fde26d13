#pragma once

// Bytes of another protocol (WebSocket), carried both ways between a client and an upstream after a
// 101 response. They are not looked at.
//
// Backpressure: each direction holds at most one block, and reads again only when it is written. An
// idle direction holds none.

#include <chrono>
#include <optional>

#include "base/clock.h"
#include "base/metrics.h"
#include "gateway/internal/input_buffer.h"
#include "gateway/internal/shard_context.h"
#include "io/stream.h"
#include "io/task.h"

namespace selvedge::gateway::internal {

// One thread. Lives in the connection's task.
class Tunnel {
 public:
  // One side has finished writing: what is left for the other.
  static constexpr base::Duration kHalfClosedMax = std::chrono::seconds(10);
  // A server that drains ends a tunnel over which nothing has passed for so long.
  static constexpr base::Duration kDrainPause = std::chrono::seconds(1);

  // `from_client` holds what the client sent ahead.
  Tunnel(ShardContext& context, io::Stream& client, InputBuffer& from_client,
         io::Stream& upstream) noexcept;

  // Until both sides have ended; then succeeds. Else closes both and says why: kDisconnected,
  // kTimeout. `early` goes to the client first.
  io::Task<> run(base::ByteSpan early);
  // Ends it at the next pause.
  void drain() noexcept;

 private:
  struct Direction {
    io::Stream& from;
    io::Stream& to;
    InputBuffer& buffer;
    base::Counter& bytes;
  };
  // Until `from` has ended or either side breaks.
  io::Task<> carry(Direction direction);
  // The same, and closes both sides when one breaks.
  io::Task<> carry_or_close(Direction direction);
  io::Task<> send_early(base::ByteSpan early, Direction direction);
  io::Task<> write(Direction direction, base::ByteSpan bytes);
  // When a tunnel over which nothing passes any more ends.
  base::MonotonicTime end_time() const noexcept;
  // Makes those who wait look at end_time() again.
  void notify() noexcept;

  ShardContext& context_;
  io::Stream& client_;
  io::Stream& upstream_;
  InputBuffer& from_client_;
  InputBuffer from_upstream_;
  base::MonotonicTime last_activity_;
  std::optional<base::MonotonicTime> half_closed_at_;
  std::optional<Error> error_;  // the first
  bool draining_ = false;
};

}  // namespace selvedge::gateway::internal
