#include "app/wcgi_runner.h"

#include <optional>
#include <utility>

#include "app/internal/plain_answer.h"
#include "app/internal/wcgi_request.h"
#include "base/format.h"

namespace selvedge::app {

WcgiRunner::WcgiRunner(const ShardProgram& program, WcgiLimits limits,
                       std::shared_ptr<SharedPermits> permits, const VersionLog* log)
    : own_log_(log != nullptr ? std::nullopt
                              : std::optional<VersionLog>(program.program().options().name)),
      log_(log != nullptr ? *log : *own_log_),
      program_(program),
      admission_(program.shard().reactor(), limits.concurrency_max, limits.queue_max),
      permits_(std::move(permits)),
      limits_(limits),
      memory_(*log_.metrics()),
      script_(CgiScript::from(program.environment())) {}

io::Task<> WcgiRunner::answer_overload(HttpExchange& exchange, const Error& error) {
  ++metrics_.overloaded;
  log_.metrics()->count_limit(Limit::kQueue);
  log_.remark(fmt::format("answers 503: {}", error.message()), exchange.request_id());
  return internal::answer_plainly(exchange, wire::StatusCode(503),
                                  "Too many requests are in flight.");
}

io::Task<> WcgiRunner::handle(HttpExchange& exchange) {
  ++metrics_.requests;
  io::Reactor& reactor = program_.shard().reactor();
  const io::Deadline deadline = reactor.deadline_after(limits_.queue_time_max);
  const auto permit = co_await admission_.enter(deadline);
  if (!permit.has_value()) {
    co_return co_await answer_overload(exchange, permit.error());
  }
  std::optional<SharedPermits::Permit> shared;
  if (permits_ != nullptr) {
    auto entered = co_await permits_->enter(reactor, deadline);
    if (!entered.has_value()) {
      co_return co_await answer_overload(exchange, entered.error());
    }
    shared.emplace(*std::move(entered));
  }
  internal::WcgiRequest request(exchange, program_, limits_, metrics_, log_, memory_);
  co_return co_await request.run(script_);
}

}  // namespace selvedge::app
