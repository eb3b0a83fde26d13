#include "app/wcgi_runner.h"

#include <memory>
#include <optional>
#include <utility>

#include "app/internal/plain_answer.h"
#include "app/internal/wcgi_request.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

// The permits are held as long as the program runs.
io::Task<> keep_until_its_end(std::unique_ptr<internal::WcgiRequest> request,
                              [[maybe_unused]] internal::Admission::Permit permit,
                              [[maybe_unused]] std::optional<SharedPermits::Permit> shared) {
  co_return co_await request->outlive();
}

}  // namespace

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
      script_(CgiScript::from(program.environment())),
      outliving_(program.shard().reactor()) {}

io::Task<> WcgiRunner::stop(io::Deadline grace) { return outliving_.close(grace); }

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
  auto permit = co_await admission_.enter(deadline);
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
  auto request =
      std::make_unique<internal::WcgiRequest>(exchange, program_, limits_, metrics_, log_, memory_);
  Result<> result = co_await request->run(script_);
  if (request->outlives_its_answer()) {
    // When it is being stopped, the program ends here.
    [[maybe_unused]] const bool kept = outliving_.spawn(
        keep_until_its_end(std::move(request), *std::move(permit), std::move(shared)));
  }
  co_return result;
}

}  // namespace selvedge::app
