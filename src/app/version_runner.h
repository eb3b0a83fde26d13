#pragma once

// Runs one version of an app on one shard, by its program's kind: a CGI program once for each
// request, a program that listens as one process behind a proxy, here or on another shard, or as
// several of them (InstanceGroup).

#include <memory>
#include <optional>

#include "app/app_version.h"
#include "app/guest_shard.h"
#include "app/http_exchange.h"
#include "app/instance_group.h"
#include "app/instance_peers.h"
#include "app/internal/admission.h"
#include "app/listening_program.h"
#include "app/program.h"
#include "app/proxy_runner.h"
#include "app/upstream_instance.h"
#include "app/version_log.h"
#include "app/wcgi_runner.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/task_scope.h"

namespace selvedge::app {

// One shard's thread.
class VersionRunner final : public HttpHandler {
  // Only create() can name it.
  struct Key {};

 public:
  // Starts the program if it is one that listens; not with `elsewhere`, which is its instance on
  // another shard then, and not when it may have several, which `peers` are for. `shard`, `random`
  // and `peers` outlive this. `log`: that of the version.
  static Result<std::shared_ptr<VersionRunner>> create(
      GuestShard& shard [[clang::lifetimebound]], base::Random& random [[clang::lifetimebound]],
      std::shared_ptr<const AppVersion> version, std::unique_ptr<UpstreamInstance> elsewhere,
      VersionLog log = VersionLog(), InstancePeers* peers = nullptr);

  VersionRunner(Key key, GuestShard& shard, std::shared_ptr<const AppVersion> version,
                VersionLog log) noexcept;

  const AppVersion& version() const noexcept [[clang::lifetimebound]] { return *version_; }
  // https is asked for; the same as the configuration says.
  bool forces_https() const noexcept { return force_https_; }
  const VersionLog& log() const noexcept [[clang::lifetimebound]] { return log_; }
  io::Task<> handle(HttpExchange& exchange) override;
  // A connection to the program's instance of that number, which is here, for the shard of `peer`:
  // the stream is that shard's. kInvalid when the program does not listen here; kDisconnected,
  // kTimeout.
  io::Task<std::unique_ptr<io::Stream>> connect_for(io::Reactor& peer, std::size_t instance = 0);
  // Begins to start that instance, which is here, when the program may have several.
  Result<> start_instance(std::size_t instance);
  // Completes when the version has passed its health checks: the program that listens, which must
  // be here, or a CGI program in an instance of its own for each. kInvalid: one sentence on what
  // did not pass.
  io::Task<> check_health();
  // Requests in handle(), connections of other shards, instances that end by a rule of their own,
  // and CGI programs that go on after their answers.
  std::size_t active() const noexcept {
    return active_ + (group_ != nullptr ? group_->active() : 0) +
           (wcgi_.has_value() ? wcgi_->outliving() : 0);
  }
  // For who is about to call handle(): what that needs beside this object.
  void prefetch() const noexcept;
  // As if a request had ended now; starts scaling.min_instances.
  void keep();
  // Ends instances beyond those that are needed, where a program may have several.
  void tend(base::Duration idle_time_max);
  // When memory is scarce: no further instance.
  void allow_starts(bool allowed) noexcept;
  // When the last request ended, or this was made.
  base::MonotonicTime last_used() const noexcept { return last_used_; }
  // Counts what a program that listens has used since the last call.
  void sample() noexcept;
  // Ends what runs: what is active may go on until `grace`. Called once, and completed before this
  // is destroyed.
  io::Task<> stop(io::Deadline grace);

 private:
  class ActiveUse;

  io::Task<> carry(std::unique_ptr<io::Stream> instance, std::unique_ptr<io::Stream> peer,
                   std::optional<internal::Admission::Permit> turn);
  io::Task<std::optional<internal::Admission::Permit>> take_turn();

  // What a request of a CGI program needs is in this object, at its beginning and in this order:
  // with many apps each of its lines is waited for (internal/prefetch.h).
  GuestShard& shard_;
  std::shared_ptr<const AppVersion> version_;
  std::size_t active_ = 0;
  base::MonotonicTime last_used_;
  bool force_https_;
  // Several instances,
  std::unique_ptr<InstanceGroup> group_;
  io::Event became_idle_;  // notified
  VersionLog log_;
  std::optional<ShardProgram> program_;
  // or the one,
  std::optional<WcgiRunner> wcgi_;
  // or a proxy to one of these.
  std::unique_ptr<ListeningProgram> instance_;
  std::unique_ptr<UpstreamInstance> elsewhere_;
  std::unique_ptr<ProxyRunner> proxy_;
  // For an instance that is used by one request at a time, on whatever shard that is.
  std::optional<internal::Admission> turns_;
  io::TaskScope scope_;  // last: its tasks use the rest
};

}  // namespace selvedge::app
