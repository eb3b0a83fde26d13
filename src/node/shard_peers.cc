#include "node/shard_peers.h"

#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/format.h"
#include "crypto/blake3.h"
#include "io/remote_task.h"

namespace selvedge::node {

std::size_t home_shard(const std::string& app, app::VersionNumber version, std::size_t shards) {
  const crypto::Blake3Hash hash =
      crypto::blake3(base::as_bytes(fmt::format("{}/{}", app, version)));
  std::uint64_t number = 0;
  std::memcpy(&number, hash.bytes().data(), sizeof number);
  return static_cast<std::size_t>(number % shards);
}

std::optional<std::size_t> ShardPeers::home_of(const std::string& app, app::VersionNumber version,
                                               std::size_t instance) const {
  const std::size_t shard = (home_shard(app, version, group_.size()) + instance) % group_.size();
  return shard == here_.id().value() ? std::nullopt : std::optional(shard);
}

io::Task<std::unique_ptr<io::Stream>> ShardPeers::connect(std::size_t shard, std::string app,
                                                          app::VersionNumber version,
                                                          std::size_t instance) {
  const auto ask = [shard, app = std::move(app), version, instance, &here = here_.reactor(),
                    &routers = routers_]() -> io::Task<std::unique_ptr<io::Stream>> {
    app::AppRouter* const router = routers[shard];
    if (router == nullptr) {
      return io::Task<std::unique_ptr<io::Stream>>::ready(
          fail(ErrorKind::kDisconnected, "the shard that runs the app is shutting down"));
    }
    return router->connect_for(here, app, version, instance);
  };
  return io::run_on(*questions_[shard], here_.reactor(), ask);
}

io::Task<> ShardPeers::start(std::size_t shard, std::string app, app::VersionNumber version,
                             std::size_t instance) {
  const auto ask = [shard, app = std::move(app), version, instance,
                    &routers = routers_]() -> io::Task<> {
    app::AppRouter* const router = routers[shard];
    if (router == nullptr) {
      return io::Task<>::ready(
          fail(ErrorKind::kDisconnected, "the shard that runs the app is shutting down"));
    }
    return router->start_instance(app, version, instance);
  };
  return io::run_on(*questions_[shard], here_.reactor(), ask);
}

}  // namespace selvedge::node
