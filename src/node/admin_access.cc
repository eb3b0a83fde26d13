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
      writing_(options.reactor, kAuditQueueMax) {}

io::Task<> AdminAccess::write(std::string line) {
  const auto written = co_await audit_helpers_.run(
      reactor_, [log = log_, line = std::move(line)] { return log->append(line); });
  if (!written.has_value()) {
    log::error("audit log: {}", written.error().message());
  }
  co_return {};
}

void AdminAccess::record(std::string line) {
  if (!writing_.spawn(write(std::move(line)))) {
    log::error("audit log: too many lines wait for the disk, or the node ends: one is lost");
  }
}

io::Task<std::vector<std::string>> AdminAccess::recorded(std::size_t count) {
  co_await reactor_.yield();  // lines that were recorded just now are handed over first
  co_return co_await audit_helpers_.run(reactor_, [log = log_, count] { return log->last(count); });
}

}  // namespace selvedge::node
