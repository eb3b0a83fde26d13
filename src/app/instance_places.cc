#include "app/instance_places.h"

#include <algorithm>

namespace selvedge::app {
namespace {

// Of a program that listens, where app.yaml does not say it.
constexpr std::size_t kSingleInstancesMax = 16;
constexpr std::size_t kTargetDefault = 64;
constexpr std::size_t kLimitDefault = 1024;

}  // namespace

ScalerOptions scaler_options(const AppScaling& scaling) {
  const std::size_t fallback = scaling.single_concurrency ? kSingleInstancesMax : 1;
  ScalerOptions options;
  options.instances_max =
      std::min(scaling.instances_max.value_or(std::max(fallback, scaling.instances_min)),
               InstanceScaler::kInstancesMax);
  options.instances_min = std::min(scaling.instances_min, options.instances_max);
  options.target =
      scaling.single_concurrency ? 1 : scaling.concurrency_max.value_or(kTargetDefault);
  options.limit = scaling.single_concurrency ? 1 : scaling.concurrency_max.value_or(kLimitDefault);
  return options;
}

// In the queue, or among the watchers. Whoever leaves it without taking what was granted gives it
// back.
class InstancePlaces::Stay {
 public:
  Stay(InstancePlaces& owner, WaiterPointer waiter) noexcept
      : owner_(owner), waiter_(std::move(waiter)) {}
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;
  ~Stay() {
    if (waiter_ == nullptr) {
      return;
    }
    io::Reactor& reactor = waiter_->reactor;
    if (const auto instance = take(); instance.has_value()) {
      owner_.leave(*instance, reactor.now());
    }
  }

  // What was granted. Else the stay is over without.
  std::optional<std::size_t> take() {
    const WaiterPointer waiter = std::exchange(waiter_, nullptr);
    const std::lock_guard lock(owner_.mutex_);
    if (!waiter->instance.has_value()) {
      std::erase(owner_.queue_, waiter);
      std::erase(owner_.watchers_, waiter);
      owner_.waiting_ = owner_.queue_.size();
      owner_.watching_ = owner_.watchers_.size();
      owner_.tell_if_unused();
    }
    return waiter->instance;
  }

 private:
  InstancePlaces& owner_;
  WaiterPointer waiter_;
};

std::shared_ptr<InstancePlaces> InstancePlaces::create(const ScalerOptions& options) {
  return std::shared_ptr<InstancePlaces>(new InstancePlaces(options));
}

std::optional<InstancePlaces::Place> InstancePlaces::try_enter(const io::Reactor& here,
                                                               const std::vector<bool>& near) {
  if (waiting_ > 0) {
    return std::nullopt;
  }
  const auto taken = scaler_.take(near, scaler_.options().target);
  return taken.has_value() ? std::optional<Place>(std::in_place, shared_from_this(), here, *taken)
                           : std::nullopt;
}

io::Task<InstancePlaces::Place> InstancePlaces::enter(io::Reactor& here,
                                                      const std::vector<bool>& near,
                                                      io::Deadline deadline,
                                                      InstanceStarter& starter) {
  const auto self = shared_from_this();
  for (;;) {
    if (auto place = try_enter(here, near); place.has_value()) {
      co_return *std::move(place);
    }
    if (waiting_ == 0) {
      if (const auto to_start = scaler_.claim_start(1, here.now()); to_start.has_value()) {
        starter.start(*to_start);
      }
      // Rather beyond the target than to wait for a start.
      if (const auto taken = scaler_.take(near, scaler_.options().limit); taken.has_value()) {
        co_return Place(self, here, *taken);
      }
    }
    Joined joined = join(here, near);
    if (joined.to_start.has_value()) {
      starter.start(*joined.to_start);
    }
    if (joined.taken.has_value()) {
      co_return Place(self, here, *joined.taken);
    }
    if (joined.refusal.has_value()) {
      co_return fail(*std::move(joined.refusal));
    }
    const WaiterPointer waiter = joined.waiter;
    Stay stay(*this, waiter);
    [[maybe_unused]] const auto woken = co_await waiter->woken.wait(deadline);
    const auto granted = stay.take();
    if (!granted.has_value()) {
      co_return waiter->hopeless ? fail(ErrorKind::kDisconnected, "the application does not run")
                                 : fail(ErrorKind::kTimeout, "no instance became free in time");
    }
    Place place(self, here, *granted);
    if (scaler_.state(*granted) == InstanceScaler::State::kRunning) {
      co_return place;
    }
    // It has ended between the grant and now.
  }
}

InstancePlaces::Joined InstancePlaces::join(io::Reactor& here, const std::vector<bool>& near) {
  const std::lock_guard lock(mutex_);
  Joined joined;
  joined.to_start = scaler_.claim_start(queue_.size() + 1, here.now());
  if (queue_.empty()) {
    // Seen by whoever leaves from now on: either he finds this one waiting, or this one his place.
    waiting_ = 1;
    joined.taken = scaler_.take(near, scaler_.options().limit);
  }
  if (!joined.taken.has_value()) {
    if (!scaler_.serves()) {
      joined.refusal.emplace(ErrorKind::kDisconnected,
                             scaler_.starts_allowed()
                                 ? "the application does not run"
                                 : "all memory of the node is used: nothing is started");
    } else if (queue_.size() >= kWaitingMax) {
      joined.refusal.emplace(ErrorKind::kOverloaded, "too many requests wait");
    } else {
      joined.waiter = std::make_shared<Waiter>(here, &near);
      queue_.push_back(joined.waiter);
    }
  }
  waiting_ = queue_.size();
  return joined;
}

void InstancePlaces::start_needed(base::MonotonicTime now, InstanceStarter& starter) {
  // Each at most once: a starter that cannot start any more would be asked for ever.
  for (std::size_t i = 0; i < scaler_.options().instances_max && waiting_ > 0; ++i) {
    std::optional<std::size_t> to_start;
    {
      const std::lock_guard lock(mutex_);
      to_start = scaler_.claim_start(queue_.size(), now);
    }
    if (!to_start.has_value()) {
      return;
    }
    starter.start(*to_start);
  }
}

void InstancePlaces::keep(base::MonotonicTime now, InstanceStarter& starter) {
  for (std::size_t i = 0; i < scaler_.options().instances_min; ++i) {
    if (const auto to_start = scaler_.claim_kept(now); to_start.has_value()) {
      starter.start(*to_start);
    }
  }
}

void InstancePlaces::listening(std::size_t instance, base::MonotonicTime now) {
  scaler_.listening(instance, now);
  const std::lock_guard lock(mutex_);
  hand_out();
}

void InstancePlaces::down(std::size_t instance) {
  scaler_.down(instance);
  const std::lock_guard lock(mutex_);
  give_up_if_hopeless();
}

void InstancePlaces::unstarted(std::size_t instance) {
  scaler_.unstarted(instance);
  const std::lock_guard lock(mutex_);
  give_up_if_hopeless();
}

void InstancePlaces::stopped(std::size_t instance, base::MonotonicTime now,
                             InstanceStarter& starter) {
  scaler_.stopped(instance);
  start_needed(now, starter);
  const std::lock_guard lock(mutex_);
  give_up_if_hopeless();
}

void InstancePlaces::leave(std::size_t instance, base::MonotonicTime now) {
  scaler_.give_back(instance, now);
  if (waiting_ == 0 && watching_ == 0) {
    return;
  }
  const std::lock_guard lock(mutex_);
  hand_out();
  tell_if_unused();
}

void InstancePlaces::hand_out() {
  std::size_t served = 0;
  while (served < queue_.size()) {
    Waiter& next = *queue_[served];
    next.instance = scaler_.take(*next.near, scaler_.options().limit);
    if (!next.instance.has_value()) {
      break;
    }
    wake(queue_[served++]);
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(served));
  waiting_ = queue_.size();
}

void InstancePlaces::give_up_if_hopeless() {
  if (queue_.empty() || scaler_.serves()) {
    return;
  }
  for (WaiterPointer& waiter : queue_) {
    waiter->hopeless = true;
    wake(std::move(waiter));
  }
  queue_.clear();
  waiting_ = 0;
  tell_if_unused();
}

void InstancePlaces::tell_if_unused() {
  if (watchers_.empty() || !queue_.empty() || scaler_.busy() > 0) {
    return;
  }
  for (const WaiterPointer& watcher : watchers_) {
    wake(watcher);
  }
}

// Under the mutex: the reactor lives for as long as the stay, which needs the mutex to end.
void InstancePlaces::wake(WaiterPointer waiter) {
  io::Reactor& reactor = waiter->reactor;
  reactor.post([waiter = std::move(waiter)] { waiter->woken.set(); });
}

io::Task<> InstancePlaces::wait_until_unused(io::Reactor& here, io::Deadline deadline) {
  const auto watcher = std::make_shared<Waiter>(here, nullptr);
  {
    const std::lock_guard lock(mutex_);
    watchers_.push_back(watcher);
    watching_ = watchers_.size();
    tell_if_unused();
  }
  const Stay stay(*this, watcher);
  [[maybe_unused]] const auto woken = co_await watcher->woken.wait(deadline);
  co_return {};
}

}  // namespace selvedge::app
