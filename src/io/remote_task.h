#pragma once

// A task of another shard, waited for on this one.
//
//   auto app = co_await run_on(main_scope, reactor, [&catalog, name] { return catalog.find(name);
//   });

#include <memory>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "io/internal/remote_job.h"
#include "io/reactor.h"
#include "io/task.h"
#include "io/task_scope.h"

namespace selvedge::io {

namespace internal {

template <class Function, class T>
Task<> run_remote(Function function, RemoteCompletion<T> completion) {
  completion.set_result(co_await function());
  co_return {};
}

}  // namespace internal

// Calls `function` (which owns or outlives all it needs, and returns Task<T>) on `there`'s thread,
// runs the task in that scope, and completes on `here`, the calling reactor. kDisconnected when the
// scope is closed, or cancelled before the task has ended. When this task is destroyed the other
// one still runs, and its result is dropped. `there` outlives the call and what it began; T may
// change threads.
template <class Function>
auto run_on(TaskScope& there, Reactor& here, Function function)
    -> Task<typename std::invoke_result_t<Function&>::value_type> {
  using T = typename std::invoke_result_t<Function&>::value_type;
  auto job = std::make_shared<internal::RemoteJob<T>>(here);
  there.reactor().post([&there, completion = internal::RemoteCompletion<T>(job),
                        function = std::move(function)]() mutable {
    there.spawn(internal::run_remote<Function, T>(std::move(function), std::move(completion)));
  });
  // Needs no deadline: the task ends or is destroyed with its scope, and posts in both cases.
  co_await job->done.wait();
  if (!job->result) {
    co_return fail(ErrorKind::kDisconnected, "what was asked for is shutting down");
  }
  co_return *std::move(job->result);
}

}  // namespace selvedge::io
