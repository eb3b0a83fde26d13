#include "cli/run_server.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "app/guest_shard.h"
#include "app/listening_program.h"
#include "app/proxy_runner.h"
#include "app/wcgi_runner.h"
#include "base/log.h"
#include "base/metrics.h"
#include "cli/messages.h"
#include "gateway/http_server.h"
#include "io/shard.h"
#include "io/signal_source.h"
#include "io/task_scope.h"

namespace selvedge::cli {
namespace {

// After the first signal, requests that have begun may take this long.
constexpr base::Duration kDrainTimeMax = std::chrono::seconds(30);

// What all shards share; outlives their threads.
struct Service {
  Runtime& runtime;
  std::shared_ptr<const app::Program> program;
  const RunOptions& options;
  io::SocketAddress address;
  gateway::HttpMetrics& metrics;
  // Counted on the main thread.
  std::size_t listening = 0;
  std::size_t ended = 0;
  io::Event changed;
};

app::WcgiLimits wcgi_limits(const RunOptions& options) {
  app::WcgiLimits limits;
  limits.concurrency_max =
      options.concurrency_max != 0 ? options.concurrency_max : kConcurrencyDefault;
  if (options.time_max.has_value()) {
    limits.head_time_max = *options.time_max;
    limits.request_time_max = *options.time_max;
  }
  return limits;
}

app::ProxyLimits proxy_limits(const RunOptions& options) {
  app::ProxyLimits limits;
  if (options.concurrency_max != 0) {
    limits.concurrency_max = options.concurrency_max;
  }
  if (options.time_max.has_value()) {
    limits.head_time_max = *options.time_max;
    limits.request_time_max = *options.time_max;
  }
  return limits;
}

// Tells the main thread that a shard's task is over, however it ended.
class EndNotice {
 public:
  explicit EndNotice(Service& service) noexcept : service_(service) {}
  EndNotice(const EndNotice&) = delete;
  EndNotice& operator=(const EndNotice&) = delete;
  ~EndNotice() {
    service_.runtime.reactor().post([&service = service_] {
      ++service.ended;
      service.changed.set();
    });
  }

 private:
  Service& service_;
};

// Listens, and answers with `handler` until the shard is asked to stop and its requests have ended.
io::Task<> serve_http(Service& service, io::Shard& shard, app::HttpHandler& handler) {
  Runtime& runtime = service.runtime;
  SELVEDGE_CO_TRY(
      const auto listener,
      shard.network().listen(service.address, {.reuse_port = true, .ipv6_only = false}));
  gateway::HttpServer server(shard.reactor(), handler, runtime.random(), service.metrics,
                             {.access_log = service.options.access_log});
  io::TaskScope scope(shard.reactor());
  scope.spawn(server.serve(*listener));
  runtime.reactor().post([&service] {
    ++service.listening;
    service.changed.set();
  });
  co_await shard.stop_requested().wait();
  const io::Deadline deadline = shard.reactor().deadline_after(kDrainTimeMax);
  SELVEDGE_CO_TRY_VOID(co_await server.stop(deadline));
  co_return co_await scope.close(deadline);
}

// A program that listens: one process, which the requests are passed on to.
io::Task<> serve_listening(Service& service, io::Shard& shard, app::ShardProgram& program) {
  app::ListeningProgram instance(program);
  app::ProxyRunner runner(shard.reactor(), instance, service.runtime.random(),
                          proxy_limits(service.options));
  runner.start();
  const Result<> served = co_await serve_http(service, shard, runner);
  [[maybe_unused]] const auto stopped =
      co_await runner.stop(shard.reactor().deadline_after(kDrainTimeMax));
  [[maybe_unused]] const auto closed = co_await instance.close();
  if (!served.has_value()) {
    co_return fail(served.error().clone());
  }
  co_return {};
}

io::Task<> serve_shard(Service& service, io::Shard& shard) {
  const EndNotice notice(service);
  Runtime& runtime = service.runtime;
  SELVEDGE_CO_TRY(const auto resolver,
                  make_resolver(shard.reactor(), shard.network(), service.options));
  app::GuestShard guests(shard.reactor(), runtime.engine(), runtime.clock(), runtime.random(),
                         &runtime.helpers(), &runtime.cpu_clock(),
                         {.network = &shard.network(), .resolver = resolver.get()});
  SELVEDGE_CO_TRY(const auto program, app::ShardProgram::create(guests, service.program));
  if (service.program->listens()) {
    co_return co_await serve_listening(service, shard, *program);
  }
  app::WcgiRunner runner(*program, wcgi_limits(service.options));
  co_return co_await serve_http(service, shard, runner);
}

void announce(const Service& service, const node::ListenAddress& asked, std::size_t shards) {
  const std::string host = asked.every_interface ? "localhost"
                           : service.address.ip().is_v6()
                               ? fmt::format("[{}]", service.address.ip().to_string())
                               : service.address.ip().to_string();
  const std::string url = fmt::format("http://{}:{}/", host, service.address.port());
  if (service.options.json) {
    fmt::print("{{\"listening\":{},\"port\":{},\"shards\":{}}}\n", json_string(url),
               service.address.port(), shards);
  } else if (!service.options.quiet) {
    fmt::print("Serving {} at {}{}\n", service.program->options().name, url,
               asked.every_interface ? " (and every other address of this machine)" : "");
  }
  std::fflush(stdout);
}

io::Task<> exit_on_second_signal(io::SignalSource& signals) {
  SELVEDGE_CO_TRY(const int signal, co_await signals.next());
  std::_Exit(128 + signal);
}

io::Task<> stop_on_signal(io::SignalSource& signals, io::ShardGroup& group) {
  SELVEDGE_CO_TRY(const int signal, co_await signals.next());
  log::info("signal={} draining seconds_max={}", signal,
            std::chrono::duration_cast<std::chrono::seconds>(kDrainTimeMax).count());
  group.request_stop();
  co_return co_await exit_on_second_signal(signals);
}

// Until every shard's task has ended. A shard that fails stops the others.
io::Task<> supervise(Service& service, io::ShardGroup& group) {
  SELVEDGE_CO_TRY(const auto signals,
                  io::SignalSource::create(service.runtime.reactor(), {SIGINT, SIGTERM}));
  io::TaskScope beside(service.runtime.reactor());
  beside.spawn(stop_on_signal(*signals, group));
  bool announced = false;
  while (service.ended < group.size()) {
    if (!announced && service.listening == group.size()) {
      announced = true;
      announce(service, *service.options.http, group.size());
    }
    service.changed.reset();
    co_await service.changed.wait();
  }
  beside.cancel();
  [[maybe_unused]] const auto closed = co_await beside.close();
  co_return {};
}

}  // namespace

std::size_t shard_count(const RunOptions& options) noexcept {
  return options.shards != 0 ? options.shards
                             : std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

Result<> run_server(Runtime& runtime, std::shared_ptr<const app::Program> program,
                    const RunOptions& options) {
  // Each shard has a process of its own: a program that listens would not expect to be several.
  const std::size_t shards = program->listens() && options.shards == 0 ? 1 : shard_count(options);
  SELVEDGE_TRY(const io::SocketAddress address, node::check_address(*options.http));
  SELVEDGE_TRY(const auto group, io::ShardGroup::create(runtime.clock(), {.shards = shards}));
  base::Registry registry;
  gateway::HttpMetrics metrics(registry);
  Service service{.runtime = runtime,
                  .program = std::move(program),
                  .options = options,
                  .address = address,
                  .metrics = metrics,
                  .changed = io::Event(runtime.reactor())};
  group->start([&service](io::Shard& shard) { return serve_shard(service, shard); });
  auto supervised = runtime.reactor().run(supervise(service, *group));
  if (!supervised.has_value()) {
    group->request_stop();
  }
  auto joined = group->join();
  // They answer to the shards' reactors, which go now.
  runtime.end_helpers();
  SELVEDGE_TRY_VOID(std::move(joined));
  return supervised;
}

}  // namespace selvedge::cli
