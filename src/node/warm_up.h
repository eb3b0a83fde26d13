#pragma once

// The first request of a process is slow for reasons that have nothing to do with its app: pages of
// code that are not mapped yet, threads whose part of the heap is empty, parts of the engine that
// are made when they are used. So before a shard takes connections it answers a request of its own:
// a tiny program, read, linked and run by all that answers clients' requests, from the HTTP parser
// to the engine. Nothing of it is counted, logged or kept, but its compiled module in the artifact
// cache, which makes the next start as fast.

#include <memory>

#include "app/app_version.h"
#include "app/guest_shard.h"
#include "base/random.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "io/helper_pool.h"
#include "io/task.h"

namespace selvedge::node {

struct WarmUpOptions {
  app::GuestShard& shard;
  const engine::HostFunctions& functions;
  // Where versions are read and compiled.
  io::HelperPool& compile_helpers;
  base::Random& random;
};

// On the shard's thread; what `options` refers to outlives it. An error is one sentence on what did
// not work: a node serves all the same. kTimeout after a few seconds.
io::Task<> warm_up(WarmUpOptions options);

// The version that answers. Blocks: reads its documents as those of the store are read, and
// compiles its module or takes it from the cache.
Result<std::shared_ptr<const app::AppVersion>> make_warm_up_version(
    engine::Engine& engine, const engine::HostFunctions& functions);

}  // namespace selvedge::node
