#pragma once

// A connection between two shards of this process, in memory: each end is a Stream of its own
// reactor. What one end writes waits in a bounded buffer until the other reads it.

#include <cstddef>
#include <memory>

#include "io/reactor.h"
#include "io/stream.h"

namespace selvedge::io {

// In one direction.
inline constexpr std::size_t kShardStreamBytes = std::size_t{64} << 10;

struct ShardStreamPair {
  std::unique_ptr<Stream> first;
  std::unique_ptr<Stream> second;
};

// Each end may be handed to its reactor's thread, and is used and destroyed there only. The
// reactors outlive both ends. Any thread.
ShardStreamPair make_shard_stream_pair(Reactor& first [[clang::lifetimebound]],
                                       Reactor& second [[clang::lifetimebound]]);

}  // namespace selvedge::io
