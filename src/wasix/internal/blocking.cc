#include "wasix/internal/blocking.h"

#include <exception>

namespace selvedge::wasix::internal {

// Suspended at its start and at its end; TaskCall destroys it.
struct TaskCall::Root {
  struct promise_type {
    Root get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<> handle;
};

TaskCall::Root TaskCall::run(TaskCall& call, io::Task<Errno> task) {
  const Result<Errno> result = co_await std::move(task);
  call.result_ = result.value_or(Errno::kIo);
  call.thread_.fiber().wake();
}

TaskCall::TaskCall(Thread& thread, io::Task<Errno> task)
    : thread_(thread), root_(run(*this, std::move(task)).handle) {
  // From the loop, not on the guest's stack.
  start_.set_handle(root_);
  thread_.process().shard().reactor.schedule(start_);
}

TaskCall::~TaskCall() { root_.destroy(); }

engine::Blocking<Errno> wait_for(Thread& thread, io::Task<Errno> task) {
  if (task.is_ready()) {
    return task.take_result().value_or(Errno::kIo);
  }
  return std::make_unique<TaskCall>(thread, std::move(task));
}

}  // namespace selvedge::wasix::internal
