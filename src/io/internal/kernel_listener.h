#pragma once

#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "io/kernel_reactor.h"
#include "io/stream.h"
#include "io/timer_wheel.h"

namespace selvedge::io::internal {

// A listening stream socket. Keeps one descriptor in reserve: when the process has no other left,
// it is given up for a moment to accept and close the waiting connections, which would otherwise
// stay in the queue, their clients without an answer.
class KernelListener final : public Listener, private KernelReactor::Source {
 public:
  // Failed or shed connection attempts that one call looks at.
  static constexpr int kSkippedMax = 64;
  // The pause after an error that only time can heal (kernel memory).
  static constexpr base::Duration kRetryPause = std::chrono::milliseconds(20);

  // Connections that are taken after finish(), at most: as many as may wait at once.
  static constexpr int kFinishedMax = 4096;

  struct Options {
    std::string path_to_remove;  // of a unix socket, else empty
    bool shared = false;         // with other reactors
  };
  // `fd` listens and is non-blocking.
  static Result<std::unique_ptr<Listener>> create(KernelReactor& reactor, base::UniqueFd fd,
                                                  Options options);
  ~KernelListener() override;

  Result<std::unique_ptr<Stream>> try_accept() override;
  Event& acceptable() noexcept override { return acceptable_; }
  void close() noexcept override;
  void finish() noexcept override;
  SocketAddress local_address() const override;
  std::uint64_t shed_count() const noexcept override { return shed_count_; }

 private:
  class RetryTimer final : public Timer {
   public:
    explicit RetryTimer(Event& event) noexcept : Timer(&RetryTimer::fired), event_(event) {}

   private:
    static void fired(Timer& timer) noexcept { static_cast<RetryTimer&>(timer).event_.set(); }
    Event& event_;
  };

  struct Private {
    explicit Private() = default;
  };

 public:
  // For create().
  KernelListener(Private, KernelReactor& reactor, base::UniqueFd fd,
                 std::string path_to_remove) noexcept;

 private:
  void on_kernel_events(std::uint32_t events) noexcept override;
  void release_descriptor() noexcept;
  bool shed_one() noexcept;
  void pause() noexcept;

  KernelReactor& reactor_;
  base::UniqueFd fd_;
  base::UniqueFd reserve_;
  std::string path_to_remove_;
  std::uint64_t shed_count_ = 0;
  std::optional<int> finishing_;  // how many more
  Event acceptable_;
  RetryTimer retry_timer_;
};

}  // namespace selvedge::io::internal
