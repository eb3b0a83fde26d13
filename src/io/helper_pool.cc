#include "io/helper_pool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/assert.h"

namespace selvedge::io {

class ThreadHelperPool::State {
 public:
  explicit State(const HelperPoolOptions& options) : queue_max_(options.queue_max) {
    SELVEDGE_ASSERT(options.threads > 0);
    threads_.reserve(options.threads);
    for (std::size_t i = 0; i < options.threads; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }

  bool submit(std::move_only_function<void()> job) {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || queue_.size() >= queue_max_) {
      return false;
    }
    queue_.push_back(std::move(job));
    wake_one();
    return true;
  }

  void shutdown() noexcept {
    std::deque<std::move_only_function<void()>> dropped;
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      dropped.swap(queue_);
      while (!idle_.empty()) {
        wake_one();
      }
    }
    // Outside of the lock, since a job's end posts to its reactor; before the join, so that nobody
    // waits for the jobs that still run.
    dropped.clear();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  // A thread that waits for a job; on its stack.
  struct Idle {
    std::condition_variable woken;
    bool is_woken = false;
  };

  // Whose work ended last: its stack, its part of the heap and the caches of its core are warm.
  // With the lock held.
  void wake_one() {
    if (!idle_.empty()) {
      Idle& last = *idle_.back();
      idle_.pop_back();
      last.is_woken = true;
      // Not after the lock: the thread may end, and with it what it waits for.
      last.woken.notify_one();
    }
  }

  void work() {
    Idle self;
    for (;;) {
      std::move_only_function<void()> job;
      {
        std::unique_lock lock(mutex_);
        while (!stopping_ && queue_.empty()) {
          self.is_woken = false;
          idle_.push_back(&self);
          self.woken.wait(lock, [&self] { return self.is_woken; });
        }
        if (queue_.empty()) {
          return;
        }
        job = std::move(queue_.front());
        queue_.pop_front();
      }
      job();
    }
  }

  const std::size_t queue_max_;
  std::mutex mutex_;
  std::vector<Idle*> idle_;  // whose work ended last is the last one
  std::deque<std::move_only_function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

ThreadHelperPool::ThreadHelperPool(HelperPoolOptions options)
    : state_(std::make_unique<State>(options)) {}

ThreadHelperPool::~ThreadHelperPool() { shutdown(); }

void ThreadHelperPool::shutdown() noexcept { state_->shutdown(); }

bool ThreadHelperPool::submit(std::move_only_function<void()> run_job) {
  return state_->submit(std::move(run_job));
}

}  // namespace selvedge::io
