#pragma once

// What stands between the admin API and those who ask for it, for all of a node's listeners: who
// they are, how much they may, and the record of it.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/event.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "node/audit_log.h"
#include "node/rate_limiter.h"
#include "node/token_store.h"
#include "node/token_verifier.h"

namespace selvedge::node {

struct AdminLimits {
  RateLimit per_token{.per_second = 50, .burst = 500};
  RateLimit per_address{.per_second = 100, .burst = 1000};
  // Requests whose token was not good, of one address.
  RateLimit failures{.per_second = 0.2, .burst = 10};
  std::size_t deploys_max = 8;  // at once
};

// The reactor's thread.
class AdminAccess {
 public:
  // Lines of the audit log that wait for the disk at most.
  static constexpr std::size_t kAuditQueueMax = 4096;

  struct Options {
    io::Reactor& reactor;
    TokenStore& tokens;
    io::HelperPool& store_helpers;
    // For the disk of the audit log.
    io::HelperPool& audit_helpers;
    AuditLog::Options audit;
    AdminLimits limits = {};
  };
  // What `options` refers to outlives this.
  explicit AdminAccess(const Options& options);

  const base::Clock& clock() const noexcept [[clang::lifetimebound]] { return reactor_.clock(); }
  TokenStore& tokens() noexcept [[clang::lifetimebound]] { return tokens_; }
  TokenVerifier& verifier() noexcept [[clang::lifetimebound]] { return verifier_; }

  // Keeps a line, soon. A disk that does not take it is an error in the log.
  void record(std::string line);
  // The newest lines, and all that were recorded before.
  io::Task<std::vector<std::string>> recorded(std::size_t count);
  // Until all lines are written, but not beyond `deadline`.
  io::Task<> close(io::Deadline deadline) { return writer_.close(deadline); }

  RateLimiter token_rate;
  RateLimiter address_rate;
  RateLimiter failure_rate;
  std::size_t deploys = 0;  // that are at work
  const std::size_t deploys_max;

 private:
  io::Task<> write();

  io::Reactor& reactor_;
  TokenStore& tokens_;
  TokenVerifier verifier_;
  io::HelperPool& audit_helpers_;
  // Used by one helper at a time, which may be at it when this object is gone.
  std::shared_ptr<AuditLog> log_;
  std::vector<std::string> lines_;  // that wait for the disk
  io::Event written_;               // set while no writer is at work
  io::TaskScope writer_;            // at most one task
};

}  // namespace selvedge::node
