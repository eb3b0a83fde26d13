#pragma once

// Structured concurrency: every task that runs beside its creator belongs to a TaskScope, and ends
// before the scope does. There is no detached task.
//
//   TaskScope connections(reactor);
//   ...
//   connections.spawn(serve(std::move(stream)));                    // runs from the loop, later
//   ...
//   co_await connections.close(reactor.deadline_after(10s));        // wait, then cancel the rest
//
// Declare a scope after everything its tasks refer to: its destructor destroys those that still
// run.

#include <cstddef>
#include <optional>

#include "base/result.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"

namespace selvedge::io {

// One thread: the reactor's.
class TaskScope {
 public:
  static constexpr std::size_t kTasksMaxDefault = 1'000'000;

  explicit TaskScope(Reactor& reactor, std::size_t tasks_max = kTasksMaxDefault) noexcept;
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  // Destroys the tasks that still run, where they are suspended (see task.h). Must not be reached
  // from inside one of them.
  ~TaskScope();

  // Starts `task` from the loop. False, and the task is dropped unstarted, when the scope is closed
  // or cancelled or holds tasks_max tasks.
  bool spawn(Task<> task);

  // Destroys every task, from the loop; refuses new ones from now on. May be called by a task of
  // the scope: it runs on to its next suspension.
  void cancel() noexcept;
  // Refuses new tasks and completes when the last one has ended. Yields the first error that a task
  // ended with, if any (cancelled tasks end without a result). May be awaited again, but not by a
  // task of the scope.
  Task<> close();
  // The same, but cancels what still runs at `grace`.
  Task<> close(Deadline grace);

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool closed() const noexcept { return closed_; }
  Reactor& reactor() const noexcept { return became_empty_.reactor(); }

 private:
  class Child;
  class CancelWork final : public QueuedWork {
   public:
    explicit CancelWork(TaskScope& scope) noexcept : QueuedWork(&CancelWork::run), scope_(scope) {}

   private:
    static void run(QueuedWork& work) noexcept {
      static_cast<CancelWork&>(work).scope_.destroy_children();
    }
    TaskScope& scope_;
  };

  static Child run_child(TaskScope& scope, Task<> task);
  void destroy_children() noexcept;

  Event became_empty_;
  std::size_t tasks_max_;
  std::size_t size_ = 0;
  bool closed_ = false;
  std::optional<Error> first_error_;
  internal::List<internal::ListNode> children_;
  CancelWork cancel_work_;
};

}  // namespace selvedge::io
