// poll_oneoff: waiting for descriptors and clocks at once.

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls.h"

namespace selvedge::wasix::internal {

namespace {

// Subscriptions of one call; more is kInval.
constexpr std::uint32_t kSubscriptionsMax = 4096;

// A subscription, independent of the version of WASI that it was written in.
struct Subscription {
  std::uint64_t userdata = 0;
  Eventtype type = Eventtype::kClock;
  // Descriptors.
  GuestFd fd = 0;
  // Clocks.
  Clockid clock = Clockid::kRealtime;
  Timestamp timeout = 0;
  bool absolute = false;
};

ErrnoResult<Subscription> validate(std::uint64_t userdata, std::uint8_t type, GuestFd fd,
                                   std::uint32_t clock, Timestamp timeout, Subclockflags flags) {
  Subscription subscription{.userdata = userdata, .type = static_cast<Eventtype>(type)};
  switch (subscription.type) {
    case Eventtype::kClock:
      if (clock > static_cast<std::uint32_t>(Clockid::kThreadCputimeId) ||
          has_any(flags, ~Subclockflags::kAbstime)) {
        return refuse(Errno::kInval);
      }
      subscription.clock = static_cast<Clockid>(clock);
      subscription.timeout = timeout;
      subscription.absolute = has_any(flags, Subclockflags::kAbstime);
      return subscription;
    case Eventtype::kFdRead:
    case Eventtype::kFdWrite:
      subscription.fd = fd;
      return subscription;
  }
  return refuse(Errno::kInval);
}

ErrnoResult<Subscription> validate(const abi::Subscription& in) {
  return validate(in.userdata, in.type, in.fd_or_clock, in.fd_or_clock, in.timeout, in.flags);
}

ErrnoResult<Subscription> validate(const abi::Snapshot0Subscription& in) {
  return validate(in.userdata, in.type, in.fd, in.clock, in.timeout, in.flags);
}

// What a subscription waits for.
struct Wait {
  Subscription subscription;
  std::shared_ptr<Handle> handle;  // descriptors; null after an error
  base::MonotonicTime deadline;    // clocks
  Errno error = Errno::kSuccess;   // reported at once
};

// When a clock subscription is due, on the host's monotonic clock. A realtime deadline is converted
// once, so a step of the wall clock during the wait does not move it. kNotsup: a CPU-time clock.
ErrnoResult<base::MonotonicTime> deadline_of(const Process& process,
                                             const Subscription& subscription) {
  const base::Clock& clock = process.shard().clock;
  const base::MonotonicTime now = clock.now();
  switch (subscription.clock) {
    case Clockid::kMonotonic:
      return later_by(subscription.absolute ? process.start_time() : now, subscription.timeout);
    case Clockid::kRealtime: {
      if (!subscription.absolute) {
        return later_by(now, subscription.timeout);
      }
      const std::int64_t wall = clock.wall_now().time_since_epoch().count();
      const Timestamp wall_now = wall < 0 ? 0 : static_cast<Timestamp>(wall);
      return later_by(now, subscription.timeout > wall_now ? subscription.timeout - wall_now : 0);
    }
    case Clockid::kProcessCputimeId:
    case Clockid::kThreadCputimeId:
      break;
  }
  return refuse(Errno::kNotsup);
}

Wait begin_wait(Process& process, const Subscription& subscription) {
  Wait wait{.subscription = subscription, .handle = nullptr, .deadline = {}};
  if (subscription.type == Eventtype::kClock) {
    if (const auto deadline = deadline_of(process, subscription)) {
      wait.deadline = *deadline;
    } else {
      wait.error = deadline.error();
    }
    return wait;
  }
  const Rights needed =
      Rights::kPollFdReadwrite |
      (subscription.type == Eventtype::kFdRead ? Rights::kFdRead : Rights::kFdWrite);
  if (const auto descriptor = process.handles().find(subscription.fd, needed)) {
    wait.handle = (*descriptor)->handle;
  } else {
    wait.error = descriptor.error();
  }
  return wait;
}

io::Event* event_of(const Wait& wait) {
  if (wait.handle == nullptr) {
    return nullptr;
  }
  return wait.subscription.type == Eventtype::kFdRead ? wait.handle->readable()
                                                      : wait.handle->writable();
}

// The event for the guest when the wait is over.
std::optional<abi::Event> event_if_over(const Wait& wait, base::MonotonicTime now) {
  abi::Event event{};
  event.userdata = wait.subscription.userdata;
  event.type = wait.subscription.type;
  event.error = wait.error;
  if (wait.error != Errno::kSuccess) {
    return event;
  }
  if (wait.subscription.type == Eventtype::kClock) {
    return now >= wait.deadline ? std::optional(event) : std::nullopt;
  }
  const Readiness readiness = wait.subscription.type == Eventtype::kFdRead
                                  ? wait.handle->read_readiness()
                                  : wait.handle->write_readiness();
  if (!readiness.ready && !readiness.hangup) {
    return std::nullopt;
  }
  event.nbytes = readiness.bytes;
  event.flags = readiness.hangup ? Eventrwflags::kHangup : Eventrwflags::kNone;
  return event;
}

// The events of all waits that are over; nullopt: none is.
std::optional<Errno> write_events(Thread& thread, const std::vector<Wait>& waits,
                                  Ptr<abi::Event> out, Ptr<std::uint32_t> nevents) {
  const engine::GuestMemory memory = thread.memory();
  const base::MonotonicTime now = thread.process().shard().clock.now();
  std::uint32_t count = 0;
  for (const Wait& wait : waits) {
    if (const std::optional<abi::Event> event = event_if_over(wait, now)) {
      if (!memory.write(out, *event, count)) {
        return Errno::kFault;
      }
      ++count;
    }
  }
  if (count == 0) {
    return std::nullopt;
  }
  return memory.write(nevents, count) ? Errno::kSuccess : Errno::kFault;
}

// Waits for all the handles' events and for the first deadline; at each one that comes, looks at
// everything again.
class PollCall final : public engine::PendingCall<Errno> {
 public:
  PollCall(Thread& thread, std::vector<Wait> waits, Ptr<abi::Event> out, Ptr<std::uint32_t> nevents)
      : thread_(thread), waits_(std::move(waits)), out_(out), nevents_(nevents), timer_(thread) {
    std::optional<base::MonotonicTime> first;
    for (const Wait& wait : waits_) {
      if (wait.subscription.type == Eventtype::kClock) {
        first = std::min(first.value_or(wait.deadline), wait.deadline);
      } else if (event_of(wait) != nullptr) {
        wakes_.push_back(std::make_unique<WakeWork>(thread));
      }
    }
    first_deadline_ = first;
    listen();
  }

  std::optional<Errno> interrupted() override {
    return wakes_.empty() ? interrupted_sleep(thread_) : Errno::kIntr;
  }
  std::optional<Errno> poll() override {
    std::optional<Errno> result = write_events(thread_, waits_, out_, nevents_);
    if (!result) {
      listen();
    }
    return result;
  }

 private:
  void listen() {
    std::size_t next = 0;
    for (const Wait& wait : waits_) {
      if (io::Event* const event = event_of(wait)) {
        WakeWork& wake = *wakes_[next++];
        if (!wake.linked()) {
          event->call_when_set(wake);
        }
      }
    }
    if (first_deadline_ && !timer_.armed()) {
      thread_.process().shard().reactor.timers().arm(timer_, *first_deadline_);
    }
  }

  Thread& thread_;
  std::vector<Wait> waits_;
  Ptr<abi::Event> out_;
  Ptr<std::uint32_t> nevents_;
  std::optional<base::MonotonicTime> first_deadline_;
  // One for each wait with an event, in their order. They leave the events' lists before `waits_`
  // lets go of the handles.
  std::vector<std::unique_ptr<WakeWork>> wakes_;
  WakeTimer timer_;
};

template <class Layout>
BlockingErrno poll(Thread& thread, Ptr<Layout> in, Ptr<abi::Event> out,
                   std::uint32_t nsubscriptions, Ptr<std::uint32_t> nevents) {
  if (nsubscriptions == 0 || nsubscriptions > kSubscriptionsMax) {
    return Errno::kInval;
  }
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(out.address, std::uint64_t{nsubscriptions} * sizeof(abi::Event)) ||
      !memory.bytes(nevents.address, sizeof(std::uint32_t))) {
    return Errno::kFault;
  }
  std::vector<Wait> waits;
  waits.reserve(nsubscriptions);
  for (std::uint32_t index = 0; index < nsubscriptions; ++index) {
    const std::optional<Layout> raw = memory.read(in, index);
    if (!raw) {
      return Errno::kFault;
    }
    const ErrnoResult<Subscription> subscription = validate(*raw);
    if (!subscription) {
      return subscription.error();
    }
    waits.push_back(begin_wait(thread.process(), *subscription));
  }
  if (const std::optional<Errno> result = write_events(thread, waits, out, nevents)) {
    return *result;
  }
  return std::make_unique<PollCall>(thread, std::move(waits), out, nevents);
}

}  // namespace

BlockingErrno poll_oneoff(Thread& thread, Ptr<abi::Subscription> in, Ptr<abi::Event> out,
                          std::uint32_t nsubscriptions, Ptr<std::uint32_t> nevents) {
  return poll(thread, in, out, nsubscriptions, nevents);
}

BlockingErrno snapshot0_poll_oneoff(Thread& thread, Ptr<abi::Snapshot0Subscription> in,
                                    Ptr<abi::Event> out, std::uint32_t nsubscriptions,
                                    Ptr<std::uint32_t> nevents) {
  return poll(thread, in, out, nsubscriptions, nevents);
}

}  // namespace selvedge::wasix::internal
