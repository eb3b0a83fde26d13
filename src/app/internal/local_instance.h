#pragma once

// One of several instances of a version, on the shard that it lives on: tells the version's
// InstancePlaces what becomes of it.

#include <cstddef>
#include <memory>
#include <optional>

#include "app/http_exchange.h"
#include "app/instance_places.h"
#include "app/internal/admission.h"
#include "app/proxy_runner.h"
#include "app/upstream_instance.h"
#include "app/version_log.h"
#include "base/random.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/task_scope.h"

namespace selvedge::app::internal {

// One shard's thread. close() has completed before it is destroyed.
class LocalInstance {
 public:
  struct Options {
    std::size_t number;
    std::unique_ptr<OwnedInstance> program;
    ProxyLimits limits;
    ProxyHealth health;  // without turns
    bool one_at_a_time = false;
    VersionLog log;
  };
  // The references outlive this. Starts the program.
  LocalInstance(io::Reactor& reactor [[clang::lifetimebound]],
                InstancePlaces& places [[clang::lifetimebound]],
                base::Random& random [[clang::lifetimebound]], Options options);
  LocalInstance(const LocalInstance&) = delete;
  LocalInstance& operator=(const LocalInstance&) = delete;
  ~LocalInstance();

  std::size_t number() const noexcept { return number_; }
  // A request that has a place here. kOverloaded, kTimeout: it did not get its turn, and nothing
  // was answered.
  io::Task<> handle(HttpExchange& exchange, io::Deadline turn_deadline);
  // For the shard of `peer`: the stream is that shard's.
  io::Task<std::unique_ptr<io::Stream>> connect_for(io::Reactor& peer, io::Deadline deadline);
  io::Task<> wait_until_healthy(io::Deadline deadline);
  void sample() noexcept { program_->sample(); }

  bool ending() const noexcept { return ending_; }
  // Set when it has ended for good.
  io::Event& closed() noexcept [[clang::lifetimebound]] { return closed_; }
  // From now on it is being ended.
  void begin_to_end() noexcept { ending_ = true; }
  // Ends it: requests of this shard go on until `grace`, those of others are cut. Once.
  io::Task<> close(io::Deadline grace);

 private:
  class Watched;

  io::Task<> handle_in_turn(HttpExchange& exchange, io::Deadline turn_deadline);
  io::Task<std::optional<Admission::Permit>> take_turn(io::Deadline deadline);
  io::Task<> carry(std::unique_ptr<io::Stream> instance, std::unique_ptr<io::Stream> peer,
                   std::optional<Admission::Permit> turn);

  io::Reactor& reactor_;
  std::size_t number_;
  std::unique_ptr<OwnedInstance> program_;
  std::unique_ptr<Watched> watched_;
  // So that it is asked for its health between requests.
  std::optional<Admission> turns_;
  std::unique_ptr<ProxyRunner> proxy_;
  bool ending_ = false;
  io::Event closed_;
  io::TaskScope scope_;  // last: its tasks use the rest
};

}  // namespace selvedge::app::internal
