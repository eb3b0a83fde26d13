#include "node/node_service.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/format.h"
#include "base/log.h"
#include "io/task_scope.h"
#include "node/node_config.h"

namespace selvedge::node {
namespace {

// Beyond the time to drain: programs are ended, threads joined.
constexpr base::Duration kEndTimeMax = std::chrono::seconds(15);
// The watchdog hears of us this many times in its interval.
constexpr int kPingsPerInterval = 3;

std::int64_t seconds(base::Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

ListenPlan listen_plan(const NodeOptions& options) {
  ListenPlan plan{
      .http = {.address = options.http, .every_interface = options.http_every_interface},
      .admin_path = admin_socket_of(options.data_folder)};
  if (options.admin.has_value()) {
    plan.admin = ListenAddress{.address = options.admin->address,
                               .every_interface = options.admin->every_interface};
  }
  return plan;
}

NodeService::NodeService(Options options)
    : options_(std::move(options)),
      program_(ProgramCommand::of_this_process()),
      answered_(options_.reactor),
      admin_stop_(options_.reactor) {}

void NodeService::listening(const PublicAddress& address) {
  status_ = fmt::format("Serving apps at http://NAME.{}:{}/", address.domain, address.port);
  options_.hooks.listening(address);
  options_.manager.ready(status_);
}

io::Task<> NodeService::obey_signals(io::SignalSource& signals) {
  io::TaskScope restarts(options_.reactor);
  for (;;) {
    SELVEDGE_CO_TRY(const int signal, co_await signals.next());
    if (signal == SIGUSR2) {
      if (!restarting_ && !stopping_) {
        restarting_ = true;
        restarts.spawn(hand_over());
      }
    } else if (signal == SIGHUP && options_.hooks.read_options) {
      if (!stopping_) {
        reload();
      }
    } else if (stopping_) {
      std::_Exit(128 + signal);
    } else {
      restarts.cancel();
      [[maybe_unused]] const auto ended = co_await restarts.close();
      successor_.reset();
      stop(signal);
    }
  }
}

void NodeService::stop(int signal) {
  stopping_ = true;
  const base::Duration time_max = options_.drain.time_max.load();
  log::info("signal={} draining seconds_max={}", signal, seconds(time_max));
  // Requests may take that long, and then programs to end.
  options_.manager.stopping(2 * time_max + kEndTimeMax);
  options_.sockets.http.clear();
  options_.drain_jobs();
  options_.group.request_stop();
}

void NodeService::reload() {
  options_.manager.reloading(options_.reactor.now());
  auto read = options_.hooks.read_options();
  if (!read.has_value()) {
    log::error("configuration not read, nothing has changed: {}", read.error().message());
  } else {
    const ConfigChanges changes = take_changes(options_.options, *read);
    for (const std::string& key : changes.later) {
      log::warning(
          "configuration key={} has changed and needs a restart: SIGUSR2 makes one without a lost "
          "request",
          key);
    }
    options_.apply();
    log::info("configuration read changed={}", fmt::join(changes.now, ","));
  }
  options_.manager.ready(status_);
}

io::Task<> NodeService::hand_over() {
  const auto failed = [this](const Error& error) {
    log::error("restart failed, this process serves on: {}", error.message());
    successor_.reset();
    restarting_ = false;
  };
  if (::getpid() == 1) {
    failed(Error(ErrorKind::kUnsupported,
                 "the first process of a container cannot leave its place to another; start the "
                 "container anew"));
    co_return {};
  }
  if (!program_.has_value()) {
    failed(program_.error());
    co_return {};
  }
  log::info("restart program={}", program_->path);
  const NodeOptions& options = options_.options;
  auto started = Successor::start(options_.reactor, *program_,
                                  {.sockets = options_.sockets,
                                   .lock = options_.lock,
                                   .plan = to_string(listen_plan(options))});
  if (!started.has_value()) {
    failed(started.error());
    co_return {};
  }
  successor_ = *std::move(started);
  const auto ready =
      co_await successor_->ready(options_.reactor.deadline_after(kSuccessorStartMax));
  if (!ready.has_value()) {
    failed(ready.error());
    co_return {};
  }
  log::info("restart pid={} serves now, this process drains seconds_max={}", successor_->pid(),
            seconds(options_.drain.time_max.load()));
  options_.manager.main_pid(successor_->pid());
  stopping_ = true;
  options_.drain.handed_over = true;
  options_.sockets.http.clear();
  options_.sockets.admin_network.reset();
  options_.drain_jobs();
  admin_stop_.set();
  options_.group.request_stop();
  co_return {};
}

// Until each shard has run what was posted to it just now.
io::Task<> NodeService::await_shards() {
  answers_ = 0;
  ++round_;
  for (std::size_t i = 0; i < options_.group.size(); ++i) {
    options_.group.shard(i).reactor().post([this, round = round_] {
      options_.reactor.post([this, round] {
        answers_ += round == round_ ? 1 : 0;
        answered_.set();
      });
    });
  }
  // A shard that has ended does not answer, and that is no fault.
  while (answers_ < options_.group.size() && !stopping_) {
    answered_.reset();
    co_await answered_.wait();
  }
  co_return {};
}

io::Task<> NodeService::watch() {
  const auto interval = options_.manager.watchdog();
  while (interval.has_value()) {
    if (!stopping_) {
      SELVEDGE_CO_TRY_VOID(co_await await_shards());
    }
    options_.manager.alive();
    co_await options_.reactor.sleep(*interval / kPingsPerInterval);
  }
  co_return {};
}

}  // namespace selvedge::node
