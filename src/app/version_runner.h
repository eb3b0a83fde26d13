#pragma once

// Runs one version of an app on one shard, by its program's kind: a CGI program once for each
// request, a program that listens as one process behind a proxy.

#include <memory>

#include "app/app_version.h"
#include "app/guest_shard.h"
#include "app/http_exchange.h"
#include "app/listening_program.h"
#include "app/program.h"
#include "app/proxy_runner.h"
#include "app/wcgi_runner.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/deadline.h"
#include "io/task.h"

namespace selvedge::app {

// One shard's thread.
class VersionRunner final : public HttpHandler {
 public:
  // Starts the program if it is one that listens. `shard` and `random` outlive this.
  static Result<std::unique_ptr<VersionRunner>> create(GuestShard& shard [[clang::lifetimebound]],
                                                       base::Random& random
                                                       [[clang::lifetimebound]],
                                                       std::shared_ptr<const AppVersion> version);

  const AppVersion& version() const noexcept [[clang::lifetimebound]] { return *version_; }
  io::Task<> handle(HttpExchange& exchange) override;
  // Requests in handle().
  std::size_t active() const noexcept { return active_; }
  // When the last request ended, or this was made.
  base::MonotonicTime last_used() const noexcept { return last_used_; }
  // Ends what runs: requests that are at work may go on until `grace`. Called once, and completed
  // before this is destroyed.
  io::Task<> stop(io::Deadline grace);

 private:
  VersionRunner(GuestShard& shard, std::shared_ptr<const AppVersion> version) noexcept;

  class ActiveRequest;

  GuestShard& shard_;
  std::shared_ptr<const AppVersion> version_;
  std::unique_ptr<ShardProgram> program_;
  // Either the one,
  std::unique_ptr<WcgiRunner> wcgi_;
  // or the others.
  std::unique_ptr<ListeningProgram> instance_;
  std::unique_ptr<ProxyRunner> proxy_;
  std::size_t active_ = 0;
  base::MonotonicTime last_used_;
  io::Event became_idle_;  // notified
};

}  // namespace selvedge::app
