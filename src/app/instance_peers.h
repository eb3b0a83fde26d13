#pragma once

// How shards share running instances: each instance of a program that listens is on one shard of
// the node, and the others forward to it. AppRouter asks; the node answers.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "app/app_records.h"
#include "io/stream.h"
#include "io/task.h"

namespace selvedge::app {

// One shard's; its thread only.
class InstancePeers {
 public:
  virtual ~InstancePeers() = default;

  // The shard that runs the version's instance of that number; nullopt: this one.
  virtual std::optional<std::size_t> home_of(const std::string& app, VersionNumber version,
                                             std::size_t instance) const = 0;
  // A connection to that instance, which is started there if it does not run. The stream belongs to
  // this shard. kDisconnected, and what a start fails with.
  virtual io::Task<std::unique_ptr<io::Stream>> connect(std::size_t shard, std::string app,
                                                        VersionNumber version,
                                                        std::size_t instance) = 0;
  // Begins to start it there. kDisconnected, kOverloaded, and what a start fails with.
  virtual io::Task<> start(std::size_t shard, std::string app, VersionNumber version,
                           std::size_t instance) = 0;
};

}  // namespace selvedge::app
