#include "engine/sharing_threads.h"

#include <system_error>

#include "engine/scheduler.h"

namespace selvedge::engine {

class SharingThreads::Worker {
 public:
  explicit Worker(SharingThreads& owner) : owner_(owner), thread_([this] { run(); }) {}
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    woken_.notify_one();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

 private:
  void run() {
    Scheduler scheduler(owner_.ticker_, owner_.clock_, {}, owner_.cpu_clock_,
                        {.sharing = &owner_.sharing_, .wake = [this] { wake(); }});
    while (wait()) {
      while (scheduler.has_work()) {
        scheduler.run_slice();
      }
    }
  }

  void wake() {
    {
      const std::lock_guard lock(mutex_);
      has_mail_ = true;
    }
    woken_.notify_one();
  }

  // False: it is to end.
  bool wait() {
    std::unique_lock lock(mutex_);
    woken_.wait(lock, [this] { return has_mail_ || stopping_; });
    has_mail_ = false;
    return !stopping_;
  }

  SharingThreads& owner_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool has_mail_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

SharingThreads::SharingThreads(WorkSharing& sharing, EpochTicker& ticker, const base::Clock& clock,
                               const CpuClock* cpu_clock, std::size_t threads_max)
    : sharing_(sharing),
      ticker_(ticker),
      clock_(clock),
      cpu_clock_(cpu_clock),
      threads_max_(threads_max) {
  sharing_.set_reserve([this] { start_one(); }, threads_max);
}

SharingThreads::~SharingThreads() {
  sharing_.set_reserve(nullptr);
  workers_.clear();
}

void SharingThreads::start_one() noexcept {
  if (workers_.size() >= threads_max_) {
    return;
  }
  // The one place where the standard library tells of a refusal by throwing.
  try {
    workers_.push_back(std::make_unique<Worker>(*this));
  } catch (const std::system_error&) {
    threads_max_ = workers_.size();
  }
}

}  // namespace selvedge::engine
