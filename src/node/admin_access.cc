#include "node/admin_access.h"

#include <utility>

#include "base/log.h"

namespace selvedge::node {

AdminAccess::AdminAccess(const Options& options)
    : token_rate(options.reactor.clock(), options.limits.per_token),
      address_rate(options.reactor.clock(), options.limits.per_address),
      failure_rate(options.reactor.clock(), options.limits.failures),
      deploys_max(options.limits.deploys_max),
      reactor_(options.reactor),
      tokens_(options.tokens),
      verifier_(options.reactor, options.tokens, options.store_helpers),
      audit_helpers_(options.audit_helpers),
      log_(std::make_shared<AuditLog>(options.audit)),
      written_(options.reactor),
      writer_(options.reactor) {
  written_.set();
}

// One at a time, so that lines keep their order whatever the helpers do.
io::Task<> AdminAccess::write() {
  while (!lines_.empty()) {
    const auto written = co_await audit_helpers_.run(
        reactor_, [log = log_, lines = std::exchange(lines_, {})]() -> Result<> {
          for (const std::string& line : lines) {
            SELVEDGE_TRY_VOID(log->append(line));
          }
          return {};
        });
    if (!written.has_value()) {
      log::error("audit log: {}", written.error().message());
    }
  }
  written_.set();
  co_return {};
}

void AdminAccess::record(std::string line) {
  if (lines_.size() >= kAuditQueueMax || writer_.closed()) {
    log::error("audit log: one line is lost, since too many wait for the disk or the node ends");
    return;
  }
  lines_.push_back(std::move(line));
  if (written_.is_set()) {
    written_.reset();
    writer_.spawn(write());
  }
}

io::Task<std::vector<std::string>> AdminAccess::recorded(std::size_t count) {
  while (!written_.is_set()) {
    co_await written_.wait();
  }
  co_return co_await audit_helpers_.run(reactor_, [log = log_, count] { return log->last(count); });
}

}  // namespace selvedge::node
