#include "app/wcgi_runner.h"

#include "app/internal/plain_answer.h"
#include "app/internal/wcgi_request.h"
#include "base/log.h"

namespace selvedge::app {

WcgiRunner::WcgiRunner(const ShardProgram& program, WcgiLimits limits)
    : program_(program),
      limits_(limits),
      script_(CgiScript::from(program.program().options().environment)),
      admission_(program.shard().reactor(), limits.concurrency_max, limits.queue_max) {}

io::Task<> WcgiRunner::handle(HttpExchange& exchange) {
  ++metrics_.requests;
  io::Reactor& reactor = program_.shard().reactor();
  const auto permit = co_await admission_.enter(reactor.deadline_after(limits_.queue_time_max));
  if (!permit.has_value()) {
    ++metrics_.overloaded;
    log::debug("request={} program={}: {}", exchange.request_id(),
               program_.program().options().name, permit.error().message());
    co_return co_await internal::answer_plainly(exchange, wire::StatusCode(503),
                                                "Too many requests are in flight.");
  }
  internal::WcgiRequest request(exchange, program_, limits_, metrics_);
  co_return co_await request.run(script_);
}

}  // namespace selvedge::app
