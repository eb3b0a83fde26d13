// A node's shards: HTTP on each of them, and what the main thread tells them.

#include "base/log.h"
#include "logs/shard_log.h"
#include "node/internal/node_process.h"
#include "node/shard_directory.h"
#include "node/shard_peers.h"
#include "node/warm_up.h"
#include "wasix/dns_resolver.h"

namespace selvedge::node {
namespace {

// For what shards have said of their apps, at their end.
constexpr base::Duration kLogFlushTimeMax = std::chrono::seconds(5);

}  // namespace

void NodeProcess::forget(const std::optional<std::string>& app) {
  jobs_->changed(app);
  questions_->spawn(logs_->remove_if_gone(app, *apps_, store_helpers_));
  for (std::size_t i = 0; i < group_->size(); ++i) {
    group_->shard(i).reactor().post([this, i, app] {
      if (app::AppRouter* const router = routers_[i]; router == nullptr) {
        return;
      } else if (app.has_value()) {
        router->forget(*app);
      } else {
        router->forget_everything();
      }
    });
  }
}

void NodeProcess::allow(const MemoryAllowance& allowance) {
  for (std::size_t i = 0; i < group_->size(); ++i) {
    group_->shard(i).reactor().post([this, i, allowance] {
      if (app::AppRouter* const router = routers_[i]; router != nullptr) {
        router->set_allowance(allowance.idle_time_max, allowance.starts);
      }
    });
  }
}

// At the start, and when the configuration was read anew.
void NodeProcess::apply_options() {
  drain_.time_max = options_.drain_time_max;
  log::set_level(options_.log_level);
  for (std::size_t i = 0; i < group_->size(); ++i) {
    group_->shard(i).reactor().post(
        [this, i, access_log = options_.access_log, proxies = options_.trusted_proxies]() mutable {
          if (gateway::HttpServer* const server = servers_[i]; server != nullptr) {
            server->set_access_log(access_log);
            server->set_trusted_proxies(std::move(proxies));
          }
        });
  }
}

io::Task<> NodeProcess::serve_http(io::Shard& shard, app::AppRouter& router) {
  std::vector<std::unique_ptr<io::Listener>> listeners;
  for (base::UniqueFd& socket : shard_sockets_[shard.id().value()]) {
    SELVEDGE_CO_TRY(auto listener, shard.network().adopt(std::move(socket), sharing_));
    listeners.push_back(std::move(listener));
  }
  gateway::HttpServer server(
      shard.reactor(), router, random_, metrics_,
      {.access_log = options_.access_log, .trusted_proxies = options_.trusted_proxies});
  io::TaskScope scope(shard.reactor());
  for (const auto& listener : listeners) {
    scope.spawn(server.serve(*listener));
  }
  gateway::HttpServer*& published = servers_[shard.id().value()];
  published = &server;
  reactor_->post([this] {
    ++listening_;
    changed_->set();
  });
  co_await shard.stop_requested().wait();
  published = nullptr;
  const base::Duration time_max = drain_.time_max.load();
  if (drain_.handed_over) {
    SELVEDGE_CO_TRY_VOID(co_await server.hand_over(time_max, time_max));
    co_return co_await scope.close(shard.reactor().deadline_after(time_max));
  }
  const io::Deadline deadline = shard.reactor().deadline_after(time_max);
  SELVEDGE_CO_TRY_VOID(co_await server.stop(deadline));
  co_return co_await scope.close(deadline);
}

io::Task<> NodeProcess::serve_shard(io::Shard& shard) {
  SELVEDGE_CO_TRY(const auto resolver,
                  wasix::DnsResolver::create(shard.reactor(), shard.network(), {}));
  logs::ShardLog log(shard.reactor(), logs_->logs(), clock_,
                     static_cast<std::uint16_t>(shard.id().value()));
  io::TaskScope log_scope(shard.reactor());
  log_scope.spawn(log.run());
  app::GuestShard guests(shard.reactor(), *engine_, clock_, random_, &compile_helpers_, &cpu_clock_,
                         {.network = &shard.network(), .resolver = resolver.get()});
  ShardDirectory directory(shard.reactor(), *questions_, *catalog_);
  ShardPeers peers(shard, *group_, shard_questions_, routers_);
  app::AppRouter router(guests, directory, &peers, random_,
                        {.domain = options_.domain, .log = &log, .metrics = &app_metrics_});
  logs_->attach(shard.id().value(), &log);
  if (const auto warmed = co_await warm_up({.shard = guests,
                                            .functions = *functions_,
                                            .compile_helpers = compile_helpers_,
                                            .random = random_});
      !warmed.has_value()) {
    log::warning("the first requests will be slow: {}", warmed.error().message());
  }
  io::TaskScope beside(shard.reactor());
  beside.spawn(router.reap());
  app::AppRouter*& published = routers_[shard.id().value()];
  published = &router;
  const Result<> served = co_await serve_http(shard, router);
  published = nullptr;
  io::TaskScope& questions = *shard_questions_[shard.id().value()];
  questions.cancel();
  [[maybe_unused]] const auto answered = co_await questions.close();
  beside.cancel();
  [[maybe_unused]] const auto closed = co_await beside.close();
  [[maybe_unused]] const auto stopped =
      co_await router.stop(shard.reactor().deadline_after(drain_.time_max.load()));
  logs_->attach(shard.id().value(), nullptr);
  log.stop();
  [[maybe_unused]] const auto logged =
      co_await log_scope.close(shard.reactor().deadline_after(kLogFlushTimeMax));
  if (!served.has_value()) {
    co_return fail(served.error().clone());
  }
  co_return {};
}

}  // namespace selvedge::node
