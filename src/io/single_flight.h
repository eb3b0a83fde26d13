#pragma once

// Work that several tasks want done once: whoever asks for a key while it is at work waits for the
// same result.
//
//   SingleFlight<std::string, std::shared_ptr<const App>> loads(reactor);
//   auto app = co_await loads.run(name, [this, name] { return load(name); });

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"
#include "io/task_scope.h"

namespace selvedge::io {

// T is copied for each who waits. One thread: the reactor's. Work goes on when those who wait for
// it are gone, until it ends or this is destroyed.
template <class Key, class T>
class SingleFlight {
 public:
  explicit SingleFlight(Reactor& reactor) noexcept : reactor_(reactor), scope_(reactor) {}

  // `function` returns Task<T>; it and what it refers to outlive the work. Not called when work for
  // `key` is under way. kDisconnected after cancel().
  template <class Function>
  Task<T> run(Key key, Function function) {
    std::shared_ptr<Flight> flight;
    if (const auto found = flights_.find(key); found != flights_.end()) {
      flight = found->second;
    } else {
      flight = std::make_shared<Flight>(reactor_);
      flights_.emplace(key, flight);
      if (!scope_.spawn(fly(std::move(key), std::move(function), flight))) {
        flights_.clear();
        co_return fail(ErrorKind::kDisconnected, "what was asked for is shutting down");
      }
    }
    // Needs no deadline: the work ends, or cancel() does.
    co_await flight->landed.wait();
    if (!flight->result.has_value()) {
      co_return fail(ErrorKind::kDisconnected, "what was asked for is shutting down");
    }
    if (!flight->result->has_value()) {
      co_return fail(flight->result->error().clone());
    }
    co_return T(**flight->result);
  }

  std::size_t size() const noexcept { return flights_.size(); }

  // Destroys the work, from the loop; those who wait get kDisconnected.
  void cancel() noexcept {
    scope_.cancel();
    for (const auto& [key, flight] : flights_) {
      flight->landed.set();
    }
    flights_.clear();
  }

 private:
  struct Flight {
    explicit Flight(Reactor& reactor) noexcept : landed(reactor) {}
    std::optional<Result<T>> result;
    Event landed;
  };

  template <class Function>
  Task<> fly(Key key, Function function, std::shared_ptr<Flight> flight) {
    flight->result.emplace(co_await function());
    flights_.erase(key);
    flight->landed.set();
    co_return {};
  }

  Reactor& reactor_;
  std::map<Key, std::shared_ptr<Flight>> flights_;
  TaskScope scope_;  // last: its tasks use the rest
};

}  // namespace selvedge::io
