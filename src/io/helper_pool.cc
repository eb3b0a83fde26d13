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
      threads_.emplace_back([this, &self = waits_.emplace_back()] { work(self); });
    }
  }

  bool submit(std::move_only_function<void()> job) {
    Idle* idle = nullptr;
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_ || queue_.size() >= queue_max_) {
        return false;
      }
      queue_.push_back(std::move(job));
      idle = take_idle();
    }
    // Without the lock, which the thread would wait for at once.
    if (idle != nullptr) {
      idle->woken.notify_one();
    }
    return true;
  }

  void shutdown() noexcept {
    std::deque<std::move_only_function<void()>> dropped;
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      dropped.swap(queue_);
      while (Idle* const idle = take_idle()) {
        idle->woken.notify_one();
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

  std::size_t idle_threads() {
    const std::scoped_lock lock(mutex_);
    return idle_.size();
  }

 private:
  // How a thread waits for a job.
  struct Idle {
    std::condition_variable woken;
    bool is_woken = false;
  };

  // Whose work ended last: its stack, its part of the heap and the caches of its core are warm.
  // nullptr: all work. With the lock held; the thread goes on when it is notified.
  Idle* take_idle() {
    if (idle_.empty()) {
      return nullptr;
    }
    Idle* const last = idle_.back();
    idle_.pop_back();
    last->is_woken = true;
    return last;
  }

  void work(Idle& self) {
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
  std::deque<Idle> waits_;   // of each thread; not changed after the start
  std::vector<Idle*> idle_;  // whose work ended last is the last one
  std::deque<std::move_only_function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

ThreadHelperPool::ThreadHelperPool(HelperPoolOptions options)
    : state_(std::make_unique<State>(options)) {}

ThreadHelperPool::~ThreadHelperPool() { shutdown(); }

void ThreadHelperPool::shutdown() noexcept { state_->shutdown(); }

std::size_t ThreadHelperPool::idle_threads() const { return state_->idle_threads(); }

bool ThreadHelperPool::submit(std::move_only_function<void()> run_job) {
  return state_->submit(std::move(run_job));
}

}  // namespace selvedge::io
