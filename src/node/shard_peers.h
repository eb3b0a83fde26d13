#pragma once

// A shard's way to the instances that run on other shards.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/app_router.h"
#include "app/instance_peers.h"
#include "io/shard.h"
#include "io/task_scope.h"

namespace selvedge::node {

// The shard of `shards` that a version's first instance runs on when its program listens. The same
// on every node and at every start, so that apps are spread over shards.
std::size_t home_shard(const std::string& app, app::VersionNumber version, std::size_t shards);

// One shard's thread.
class ShardPeers final : public app::InstancePeers {
 public:
  // By shard: the scope in which others' questions run, and the router, which is null while the
  // shard does not serve and read on its thread only. All outlive this.
  ShardPeers(io::Shard& here [[clang::lifetimebound]],
             io::ShardGroup& group [[clang::lifetimebound]],
             const std::vector<std::unique_ptr<io::TaskScope>>& questions [[clang::lifetimebound]],
             const std::vector<app::AppRouter*>& routers [[clang::lifetimebound]]) noexcept
      : here_(here), group_(group), questions_(questions), routers_(routers) {}

  // Instances follow the first one shard by shard.
  std::optional<std::size_t> home_of(const std::string& app, app::VersionNumber version,
                                     std::size_t instance) const override;
  io::Task<std::unique_ptr<io::Stream>> connect(std::size_t shard, std::string app,
                                                app::VersionNumber version,
                                                std::size_t instance) override;
  io::Task<> start(std::size_t shard, std::string app, app::VersionNumber version,
                   std::size_t instance) override;

 private:
  io::Shard& here_;
  io::ShardGroup& group_;
  const std::vector<std::unique_ptr<io::TaskScope>>& questions_;
  const std::vector<app::AppRouter*>& routers_;
};

}  // namespace selvedge::node
