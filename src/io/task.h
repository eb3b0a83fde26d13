#pragma once

// Task<T>: the coroutine type of everything that waits.
//
//   Task<std::size_t> copy_once(Stream& from, Stream& to) {
//     SELVEDGE_CO_TRY(const std::size_t count, co_await from.read(buffer, deadline));
//     SELVEDGE_CO_TRY_VOID(co_await to.write_all(bytes.first(count), deadline));
//     co_return count;
//   }
//   Task<> tick() { co_return {}; }     // Task<> returns Result<>: every path ends in co_return
//
// Contract
// - Lazy: nothing runs before `co_await`. Move-only; awaited at most once; `co_await
//   std::move(task)` for a named one. The result of co_await is Result<T>.
// - Starting and finishing transfer control symmetrically: a loop over any number of awaits that
//   complete at once does not grow the stack.
// - A Task may hold a ready result instead of a coroutine (Task::ready): awaiting it neither
//   allocates nor suspends. Functions with a fast path return that.
// - Cancellation is destruction. A task that is suspended may be destroyed at any time by its owner
//   (with_deadline, TaskScope, or whoever holds the Task): its locals are destroyed in reverse
//   order, the awaits it sits in leave their lists, and nothing after its `co_await` runs. So what
//   must happen in any case belongs into a destructor, and what must be awaited (a reply after a
//   timeout) belongs into the caller that set the deadline. A task is never destroyed while it
//   runs: the reactor resumes and destroys tasks only from its own loop.
// - An exception that leaves the body (from std or a third party; nothing of ours throws) becomes
//   the error kInternal. std::bad_alloc ends the process.
// - Belongs to one reactor's thread from the first resumption on.
// - Parameters: a coroutine keeps copies of its parameters. A reference or span parameter must
//   outlive the task: fine for `co_await f(local)`, wrong for TaskScope::spawn(f(local)).
//   Capturing lambdas that are coroutines must begin with `this auto`.

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/result.h"
#include "io/internal/frame_allocator.h"

namespace selvedge::io {

template <class T = void>
class Task;

namespace internal {

// The exception being handled as an error; ends the process for std::bad_alloc.
Error error_from_current_exception() noexcept;

class PromiseBase {
 public:
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return self.promise().continuation_;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void set_continuation(std::coroutine_handle<> continuation) noexcept {
    continuation_ = continuation;
  }

  static void* operator new(std::size_t bytes) noexcept { return allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { free_frame(frame, bytes); }

 private:
  std::coroutine_handle<> continuation_;
};

template <class T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  // Never called: allocate_frame does not fail. Its presence tells the compiler that operator new
  // does not throw.
  static Task<T> get_return_object_on_allocation_failure() noexcept;

  void return_value(Result<T> result) noexcept { result_.emplace(std::move(result)); }
  void unhandled_exception() noexcept { result_.emplace(fail(error_from_current_exception())); }
  Result<T> take_result() noexcept {
    SELVEDGE_DCHECK(result_.has_value());
    return *std::move(result_);
  }

 private:
  std::optional<Result<T>> result_;
};

}  // namespace internal

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;
  using value_type = T;

  // A task that is done already.
  static Task ready(Result<T> result) noexcept { return Task(std::move(result)); }

  Task() noexcept = default;
  Task(Task&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)),
        ready_(std::exchange(other.ready_, std::nullopt)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
      ready_ = std::exchange(other.ready_, std::nullopt);
    }
    return *this;
  }
  ~Task() { destroy(); }

  // False for a default-constructed, moved-from or destroyed task.
  explicit operator bool() const noexcept { return handle_ || ready_.has_value(); }
  bool is_ready() const noexcept { return ready_.has_value(); }
  // Destroys the coroutine where it is suspended; see "Cancellation" above.
  void destroy() noexcept {
    if (handle_) {
      std::exchange(handle_, nullptr).destroy();
    }
  }

  // For awaiters (with_deadline): starts the coroutine so that `continuation` is resumed when it
  // ends. The caller resumes the handle that is returned. Not for a ready task.
  std::coroutine_handle<> start(std::coroutine_handle<> continuation) noexcept {
    SELVEDGE_DCHECK(handle_);
    handle_.promise().set_continuation(continuation);
    return handle_;
  }
  // The result, once: of a ready task, or of a coroutine that resumed its continuation.
  Result<T> take_result() noexcept {
    if (ready_.has_value()) {
      return *std::move(ready_);
    }
    return handle_.promise().take_result();
  }

  class Awaiter {
   public:
    explicit Awaiter(Task& task) noexcept : task_(task) {}
    bool await_ready() const noexcept { return task_.is_ready(); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> continuation) noexcept {
      return task_.start(continuation);
    }
    Result<T> await_resume() noexcept { return task_.take_result(); }

   private:
    Task& task_;
  };
  Awaiter operator co_await() && noexcept [[clang::lifetimebound]] {
    SELVEDGE_ASSERT(*this);
    return Awaiter(*this);
  }

 private:
  friend class internal::Promise<T>;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  explicit Task(Result<T> result) noexcept : ready_(std::move(result)) {}

  std::coroutine_handle<promise_type> handle_;
  std::optional<Result<T>> ready_;
};

namespace internal {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
template <class T>
Task<T> Promise<T>::get_return_object_on_allocation_failure() noexcept {
  base::assertion_failed("coroutine frame allocated", __FILE__, __LINE__);
}

}  // namespace internal
}  // namespace selvedge::io
