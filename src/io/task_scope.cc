#include "io/task_scope.h"

#include <coroutine>
#include <utility>

namespace selvedge::io {

// The coroutine around one spawned task. Its promise is the node in the scope's list, so that a
// child leaves the scope in the same way whether it ends or is destroyed.
class TaskScope::Child {
 public:
  class promise_type final : public internal::ListNode {
   public:
    promise_type(TaskScope& scope, Task<>& /*task*/) noexcept : scope_(scope) {
      scope_.children_.push_back(*this);
      ++scope_.size_;
      start_.set_handle(std::coroutine_handle<promise_type>::from_promise(*this));
      scope_.reactor().schedule(start_);
    }
    ~promise_type() {
      unlink();
      if (--scope_.size_ == 0) {
        scope_.became_empty_.notify();
      }
    }
    Child get_return_object() const noexcept { return {}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    // Not suspended at the end: the frame frees itself.
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

    static void* operator new(std::size_t bytes) noexcept {
      return internal::allocate_frame(bytes);
    }
    static void operator delete(void* frame, std::size_t bytes) noexcept {
      internal::free_frame(frame, bytes);
    }
    // Never called: allocate_frame does not fail.
    static Child get_return_object_on_allocation_failure() noexcept { std::terminate(); }

   private:
    TaskScope& scope_;
    Waiter start_;
  };
};

TaskScope::Child TaskScope::run_child(TaskScope& scope, Task<> task) {
  Result<> result = co_await std::move(task);
  // What the task's frame still holds (its parameters) goes before the scope hears of the end.
  task = Task<>();
  if (!result && !scope.first_error_) {
    scope.first_error_.emplace(std::move(result).error());
  }
}

TaskScope::TaskScope(Reactor& reactor, std::size_t tasks_max) noexcept
    : became_empty_(reactor), tasks_max_(tasks_max), cancel_work_(*this) {}

TaskScope::~TaskScope() {
  closed_ = true;
  destroy_children();
}

bool TaskScope::spawn(Task<> task) {
  if (closed_ || size_ >= tasks_max_) {
    return false;
  }
  run_child(*this, std::move(task));
  return true;
}

void TaskScope::destroy_children() noexcept {
  // A child's destructors may make others of this list end, so the list is read anew each time.
  while (internal::ListNode* node = children_.front()) {
    std::coroutine_handle<Child::promise_type>::from_promise(
        static_cast<Child::promise_type&>(*node))
        .destroy();
  }
}

void TaskScope::cancel() noexcept {
  closed_ = true;
  reactor().schedule(cancel_work_);
}

Task<> TaskScope::close() { return close(Deadline::never()); }

Task<> TaskScope::close(Deadline grace) {
  closed_ = true;
  while (!empty()) {
    if (const Result<> waited = co_await became_empty_.wait(grace); !waited) {
      // From inside this task, so the children are suspended: only one task runs at a time.
      destroy_children();
    }
  }
  if (first_error_) {
    co_return fail(*std::exchange(first_error_, std::nullopt));
  }
  co_return {};
}

}  // namespace selvedge::io
