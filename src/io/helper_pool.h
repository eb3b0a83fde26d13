#pragma once

// A few threads for what would block a shard: disk, compilation, name look-ups.
//
//   auto module = co_await pool.run(reactor, [bytes = std::move(bytes)]() mutable
//                                       -> Result<Module> { return compile(bytes); });

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "io/event.h"
#include "io/internal/remote_job.h"
#include "io/reactor.h"
#include "io/task.h"

namespace selvedge::io {

class HelperPool {
 public:
  virtual ~HelperPool() = default;

  // Runs `function` (no arguments, returns Result<T>, owns all it needs) on a helper thread and
  // completes on `reactor`, the calling one. kOverloaded at once when the queue is full;
  // kDisconnected when the pool shuts down before the function ran; an exception is kInternal. When
  // the task is destroyed the function still runs, and its result is dropped. Any reactor's thread.
  template <class Function>
  Task<typename std::invoke_result_t<Function&>::value_type> run(Reactor& reactor,
                                                                 Function function);

 protected:
  // `run_job` is called once, on a helper thread, unless the pool shuts down before: then it is
  // destroyed. False, and `run_job` is destroyed, when the queue is full.
  [[nodiscard]] virtual bool submit(std::move_only_function<void()> run_job) = 0;
};

struct HelperPoolOptions {
  std::size_t threads = 4;
  // Jobs that wait for a thread at most.
  std::size_t queue_max = 1024;
};

// Real threads. The reactors that it serves must outlive it (or its shutdown()).
class ThreadHelperPool final : public HelperPool {
 public:
  explicit ThreadHelperPool(HelperPoolOptions options = {});
  ~ThreadHelperPool() override;

  // Refuses new jobs, fails the waiting ones with kDisconnected, and returns when the running ones
  // have ended. Idempotent. Any thread but a helper.
  void shutdown() noexcept;

  // Threads that wait for a job. Any thread.
  std::size_t idle_threads() const;

 protected:
  bool submit(std::move_only_function<void()> run_job) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

namespace internal {

template <class Function>
Result<typename std::invoke_result_t<Function&>::value_type> call_guarded(
    Function& function) noexcept {
  try {
    return function();
  } catch (...) {
    return fail(error_from_current_exception());
  }
}

}  // namespace internal

template <class Function>
Task<typename std::invoke_result_t<Function&>::value_type> HelperPool::run(Reactor& reactor,
                                                                           Function function) {
  using T = typename std::invoke_result_t<Function&>::value_type;
  auto job = std::make_shared<internal::RemoteJob<T>>(reactor);
  const bool accepted = submit(
      [completion = internal::RemoteCompletion<T>(job), function = std::move(function)]() mutable {
        completion.set_result(internal::call_guarded(function));
      });
  if (!accepted) {
    co_return fail(ErrorKind::kOverloaded, "too much work waits for a helper thread");
  }
  // Needs no deadline: every accepted job is run or destroyed, and posts in both cases.
  co_await job->done.wait();
  if (!job->result) {
    co_return fail(ErrorKind::kDisconnected, "the helper threads are shutting down");
  }
  co_return *std::move(job->result);
}

}  // namespace selvedge::io
