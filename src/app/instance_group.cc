#include "app/instance_group.h"

#include <ranges>
#include <utility>

#include "app/internal/local_instance.h"
#include "app/internal/plain_answer.h"
#include "app/remote_instance.h"
#include "base/format.h"
#include "base/log.h"

namespace selvedge::app {
namespace {

// For a place in an instance, with its start; and for a connection from another shard.
constexpr base::Duration kWaitTimeMax = std::chrono::seconds(30);

}  // namespace

// The way to an instance of another shard.
struct InstanceGroup::Remote {
  Remote(InstanceGroup& group, std::size_t number)
      : instance(group.reactor_,
                 [&group, number] {
                   const AppVersion& version = *group.options_.version;
                   return group.options_.peers->connect(group.homes_[number], version.app,
                                                        version.record.number, number);
                 }),
        proxy(group.reactor_, instance, group.random_, group.options_.limits, ProxyHealth(),
              group.options_.log) {
    proxy.start();
  }
  RemoteInstance instance;
  ProxyRunner proxy;
};

InstanceGroup::InstanceGroup(io::Reactor& reactor, base::Random& random, Options options)
    : reactor_(reactor),
      random_(random),
      options_(std::move(options)),
      places_(*options_.version->places),
      scope_(reactor) {
  const AppVersion& version = *options_.version;
  for (std::size_t i = 0; i < places_.scaler().options().instances_max; ++i) {
    const auto home = options_.peers == nullptr
                          ? std::nullopt
                          : options_.peers->home_of(version.app, version.record.number, i);
    homes_.push_back(home.value_or(0));
    near_.push_back(!home.has_value());
  }
}

InstanceGroup::~InstanceGroup() = default;

io::Task<> InstanceGroup::handle(HttpExchange& exchange) {
  const io::Deadline deadline = reactor_.deadline_after(kWaitTimeMax);
  auto place = places_.try_enter(reactor_, near_);
  if (!place.has_value()) {
    auto entered = co_await places_.enter(reactor_, near_, deadline, *this);
    if (!entered.has_value()) {
      co_return co_await refuse(exchange, entered.error());
    }
    place.emplace(*std::move(entered));
  }
  const std::size_t number = place->instance();
  if (!near_[number]) {
    co_return co_await remote(number).proxy.handle(exchange);
  }
  const auto found = locals_.find(number);
  if (found == locals_.end()) {
    co_return co_await refuse(exchange, Error(ErrorKind::kDisconnected, "the instance has ended"));
  }
  const LocalPointer instance = found->second;
  Result<> handled = co_await instance->handle(exchange, deadline);
  if (!handled.has_value() && !exchange.head_sent() &&
      (handled.error().kind() == ErrorKind::kTimeout ||
       handled.error().kind() == ErrorKind::kOverloaded)) {
    co_return co_await refuse(exchange, handled.error());
  }
  co_return handled;
}

io::Task<> InstanceGroup::refuse(HttpExchange& exchange, const Error& error) {
  options_.log.metrics()->count_limit(Limit::kQueue);
  options_.log.remark(fmt::format("answers 503: {}", error.message()), exchange.request_id());
  return internal::answer_plainly(exchange, wire::StatusCode(503),
                                  error.kind() == ErrorKind::kDisconnected
                                      ? "The application does not run at the moment."
                                      : "The app is busy.");
}

InstanceGroup::Remote& InstanceGroup::remote(std::size_t instance) {
  std::unique_ptr<Remote>& remote = remotes_[instance];
  if (remote == nullptr) {
    remote = std::make_unique<Remote>(*this, instance);
  }
  return *remote;
}

void InstanceGroup::start(std::size_t instance) {
  if (!scope_.spawn(ask_to_start(instance))) {
    places_.unstarted(instance);
  }
}

io::Task<> InstanceGroup::ask_to_start(std::size_t instance) {
  const AppVersion& version = *options_.version;
  const Result<> started = near_[instance]
                               ? start_here(instance)
                               : co_await options_.peers->start(homes_[instance], version.app,
                                                                version.record.number, instance);
  if (!started.has_value()) {
    options_.log.remark(
        fmt::format("instance {} cannot be started: {}", instance + 1, started.error().message()),
        {});
    places_.unstarted(instance);
  }
  co_return {};
}

Result<> InstanceGroup::start_here(std::size_t instance) {
  if (stopping_ || instance >= near_.size() || !near_[instance]) {
    return fail(ErrorKind::kDisconnected, "the app is being stopped");
  }
  LocalPointer& local = locals_[instance];
  if (local != nullptr) {
    return local->ending() ? fail(ErrorKind::kDisconnected, "the instance is being ended")
                           : Result<>();
  }
  const AppVersion& version = *options_.version;
  options_.log.platform(
      fmt::format("instance {} is started, of at most {}", instance + 1, near_.size()));
  local = std::make_shared<internal::LocalInstance>(
      reactor_, places_, random_,
      internal::LocalInstance::Options{
          .number = instance,
          .program = options_.make(),
          .limits = options_.limits,
          .health = {.checks = version.config.health_checks, .host = version.app},
          .one_at_a_time = version.config.scaling.single_concurrency,
          .log = options_.log});
  return {};
}

io::Task<InstanceGroup::LocalPointer> InstanceGroup::local(std::size_t instance) {
  for (;;) {
    if (const auto found = locals_.find(instance); found != locals_.end()) {
      const LocalPointer local = found->second;
      if (!local->ending()) {
        co_return local;
      }
      co_await local->closed().wait();  // close() kills it at its deadline
      co_await reactor_.yield();        // and end() forgets it
      continue;
    }
    if (!places_.scaler().claim(instance, reactor_.now()) &&
        places_.scaler().state(instance) == InstanceScaler::State::kStopped) {
      co_return fail(ErrorKind::kOverloaded, "all memory of the node is used: nothing is started");
    }
    SELVEDGE_CO_TRY_VOID(start_here(instance));
  }
}

io::Task<std::unique_ptr<io::Stream>> InstanceGroup::connect_for(io::Reactor& peer,
                                                                 std::size_t instance) {
  const io::Deadline deadline = reactor_.deadline_after(kWaitTimeMax);
  SELVEDGE_CO_TRY(const LocalPointer found, co_await local(instance));
  co_return co_await found->connect_for(peer, deadline);
}

io::Task<> InstanceGroup::check_health(io::Deadline deadline) {
  SELVEDGE_CO_TRY(const LocalPointer first, co_await local(0));
  co_return co_await first->wait_until_healthy(deadline);
}

void InstanceGroup::keep() { places_.keep(reactor_.now(), *this); }

void InstanceGroup::tend(base::Duration idle_time_max) {
  for (auto& [number, local] : std::ranges::reverse_view(locals_)) {
    if (!local->ending() && places_.scaler().end_if_idle(number, reactor_.now(), idle_time_max)) {
      local->begin_to_end();
      options_.log.platform(fmt::format("instance {} ends: nobody uses it", number + 1));
      const base::Duration grace = options_.version->config.scaling.stop_time_max;
      scope_.spawn(end(local, reactor_.deadline_after(grace)));
    }
  }
  places_.start_needed(reactor_.now(), *this);
}

io::Task<> InstanceGroup::end(LocalPointer instance, io::Deadline grace) {
  const auto closed = co_await instance->close(grace);
  if (!closed.has_value()) {
    log::warning("app={} version={}: {}", options_.version->app, options_.version->record.number,
                 closed.error().message());
  }
  locals_.erase(instance->number());
  places_.stopped(instance->number(), reactor_.now(), *this);
  co_return {};
}

void InstanceGroup::sample() noexcept {
  for (const auto& [number, local] : locals_) {
    local->sample();
  }
}

io::Task<> InstanceGroup::stop(io::Deadline grace) {
  if (!locals_.empty()) {
    // Requests that wait for a place, on whatever shard, get theirs before.
    [[maybe_unused]] const auto unused = co_await places_.wait_until_unused(reactor_, grace);
  }
  stopping_ = true;
  io::TaskScope ends(reactor_);
  for (const auto& [number, local] : locals_) {
    if (!local->ending()) {
      places_.scaler().end(number);
      local->begin_to_end();
      ends.spawn(end(local, grace));
    }
  }
  [[maybe_unused]] const auto ended = co_await ends.close();
  [[maybe_unused]] const auto done = co_await scope_.close();
  for (const auto& entry : remotes_) {
    SELVEDGE_CO_TRY_VOID(co_await entry.second->proxy.stop(grace));
  }
  co_return {};
}

}  // namespace selvedge::app
