#pragma once

#include "app/program.h"
#include "base/result.h"
#include "cli/options.h"
#include "cli/runtime.h"

namespace selvedge::cli {

// Requests at once on each shard, unless --concurrency says otherwise.
inline constexpr std::size_t kConcurrencyDefault = 256;

// How many shards --http uses.
std::size_t shard_count(const RunOptions& options) noexcept;

// Serves the program over HTTP with the WCGI runner, on every shard, until SIGTERM or SIGINT: then
// no new connection is taken, requests that have begun may finish, and a second signal ends
// everything at once. Returns when the drain is over. Main thread.
Result<> run_server(Runtime& runtime, std::shared_ptr<const app::Program> program,
                    const RunOptions& options);

}  // namespace selvedge::cli
