#pragma once

// What a task that waits for another thread's work shares with it.

#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "io/event.h"
#include "io/reactor.h"

namespace selvedge::io::internal {

// Shared by a job on another thread and the task that waits for it: the job may outlive the task,
// and the other way round. `result` is written by the other thread before it posts, and read on the
// reactor's thread after.
template <class T>
struct RemoteJob {
  explicit RemoteJob(Reactor& owner) noexcept : reactor(owner), done(owner) {}
  Reactor& reactor;
  Event done;
  std::optional<Result<T>> result;
};

// Posts the completion when it dies, run or not, so that the waiting task always hears of it.
template <class T>
class RemoteCompletion {
 public:
  explicit RemoteCompletion(std::shared_ptr<RemoteJob<T>> job) noexcept : job_(std::move(job)) {}
  RemoteCompletion(RemoteCompletion&& other) noexcept = default;
  RemoteCompletion& operator=(RemoteCompletion&&) = delete;
  ~RemoteCompletion() {
    if (job_) {
      Reactor& reactor = job_->reactor;
      reactor.post([job = std::move(job_)] { job->done.set(); });
    }
  }
  void set_result(Result<T> result) noexcept { job_->result.emplace(std::move(result)); }

 private:
  std::shared_ptr<RemoteJob<T>> job_;
};

}  // namespace selvedge::io::internal
