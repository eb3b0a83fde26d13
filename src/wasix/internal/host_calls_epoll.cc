// epoll: waiting for many descriptors (wasix/epoll.h).

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "wasix/epoll.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/handle_calls.h"
#include "wasix/internal/lookup.h"

namespace selvedge::wasix::internal {

namespace {

// Events that one epoll_wait reports; who asks for more gets this many, and the others next time.
constexpr std::uint32_t kEpollEventsMax = 4096;
constexpr Timestamp kForever = std::numeric_limits<Timestamp>::max();

// Where epoll_wait writes to.
struct EpollOutput {
  Ptr<abi::EpollEvent> events;
  std::uint32_t count_max = 0;
  Ptr<std::uint32_t> nevents;
};

// The epoll behind `fd`. kBadf: not open; kInval: something else.
ErrnoResult<std::shared_ptr<Handle>> find_epoll(Thread& thread, GuestFd fd) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  if (descriptor->handle->as_epoll() == nullptr) {
    return refuse(Errno::kInval);
  }
  return descriptor->handle;
}

// kAgain: nothing is ready. The addresses are checked before any edge is consumed: memory does not
// shrink, but grows while a call waits.
Errno report_events(Thread& thread, EpollHandle& epoll, const EpollOutput& output) {
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(output.events.address,
                    std::uint64_t{output.count_max} * sizeof(abi::EpollEvent)) ||
      !memory.bytes(output.nevents.address, sizeof(std::uint32_t))) {
    return Errno::kFault;
  }
  const std::vector<abi::EpollEvent> events = epoll.collect(output.count_max);
  if (events.empty()) {
    return Errno::kAgain;
  }
  const auto count = static_cast<std::uint32_t>(events.size());
  for (std::uint32_t index = 0; index < count; ++index) {
    if (!memory.write(output.events, events[index], index)) {
      return Errno::kFault;
    }
  }
  return memory.write(output.nevents, count) ? Errno::kSuccess : Errno::kFault;
}

class EpollWaitCall final : public engine::PendingCall<Errno> {
 public:
  EpollWaitCall(Thread& thread, std::shared_ptr<Handle> epoll, const EpollOutput& output,
                std::optional<base::MonotonicTime> deadline)
      : thread_(thread),
        epoll_(std::move(epoll)),
        output_(output),
        deadline_(deadline),
        wake_(thread),
        timer_(thread) {
    listen();
  }

  std::optional<Errno> interrupted() override { return Errno::kIntr; }
  std::optional<Errno> poll() override {
    const Errno result = report_events(thread_, *epoll_->as_epoll(), output_);
    if (result != Errno::kAgain) {
      return result;
    }
    if (deadline_ && thread_.process().shard().clock.now() >= *deadline_) {
      return thread_.memory().write(output_.nevents, 0) ? Errno::kSuccess : Errno::kFault;
    }
    listen();
    return std::nullopt;
  }

 private:
  void listen() {
    epoll_->readable()->call_when_set(wake_);
    if (deadline_ && !timer_.armed()) {
      thread_.process().shard().reactor.timers().arm(timer_, *deadline_);
    }
  }

  Thread& thread_;
  std::shared_ptr<Handle> epoll_;
  EpollOutput output_;
  std::optional<base::MonotonicTime> deadline_;
  WakeWork wake_;
  WakeTimer timer_;
};

}  // namespace

Errno epoll_create(Thread& thread, Ptr<GuestFd> new_fd) {
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(new_fd.address, sizeof(GuestFd))) {
    return Errno::kFault;
  }
  Process& process = thread.process();
  auto epoll = std::make_shared<EpollHandle>(process.shard().reactor, process.epoll_usage());
  const Rights rights = epoll->rights_base();
  SELVEDGE_TRY_ERRNO(const GuestFd fd,
                     process.handles().insert({.handle = std::move(epoll), .rights_base = rights}));
  return memory.write(new_fd, fd) ? Errno::kSuccess : Errno::kFault;
}

// The event is not read for kDel.
Errno epoll_ctl(Thread& thread, GuestFd epfd, std::uint32_t op, GuestFd fd,
                Ptr<abi::EpollEvent> event) {
  if (op > static_cast<std::uint32_t>(EpollCtl::kLibcMod)) {
    return Errno::kInval;
  }
  const auto operation = static_cast<EpollCtl>(op);
  EpollHandle::Interest interest;
  if (operation != EpollCtl::kDel) {
    const std::optional<abi::EpollEvent> given = thread.memory().read(event);
    if (!given) {
      return Errno::kFault;
    }
    if (has_any(given->events, ~EpollType::kAll)) {
      return Errno::kInval;
    }
    interest = {.events = given->events, .data = given->data};
  }
  SELVEDGE_TRY_ERRNO(const std::shared_ptr<Handle> handle, find_epoll(thread, epfd));
  SELVEDGE_TRY_ERRNO(const Descriptor* const target, thread.process().handles().find(fd));
  if (target->handle == handle) {
    return Errno::kInval;
  }
  EpollHandle& epoll = *handle->as_epoll();
  switch (operation) {
    case EpollCtl::kAdd:
      return epoll.add(fd, *target, interest);
    case EpollCtl::kModOrLibcAdd: {
      const Errno modified = epoll.modify(fd, *target, interest);
      return modified == Errno::kNoent ? epoll.add(fd, *target, interest) : modified;
    }
    case EpollCtl::kLibcMod:
      return epoll.modify(fd, *target, interest);
    case EpollCtl::kDel:
      break;
  }
  return epoll.remove(fd, *target);
}

// `timeout`: nanoseconds; 0 does not wait, kForever waits for ever. No event within it is a success
// with a count of 0.
BlockingErrno epoll_wait(Thread& thread, GuestFd epfd, Ptr<abi::EpollEvent> events,
                         std::uint32_t maxevents, Timestamp timeout, Ptr<std::uint32_t> nevents) {
  if (maxevents == 0 || maxevents > std::numeric_limits<std::int32_t>::max()) {
    return Errno::kInval;
  }
  ErrnoResult<std::shared_ptr<Handle>> epoll = find_epoll(thread, epfd);
  if (!epoll) {
    return epoll.error();
  }
  const EpollOutput output{
      .events = events, .count_max = std::min(maxevents, kEpollEventsMax), .nevents = nevents};
  const Errno result = report_events(thread, *(*epoll)->as_epoll(), output);
  if (result != Errno::kAgain) {
    return result;
  }
  if (timeout == 0) {
    return thread.memory().write(nevents, 0) ? Errno::kSuccess : Errno::kFault;
  }
  std::optional<base::MonotonicTime> deadline;
  if (timeout != kForever) {
    deadline = later_by(thread.process().shard().clock.now(), timeout);
  }
  return std::make_unique<EpollWaitCall>(thread, *std::move(epoll), output, deadline);
}

}  // namespace selvedge::wasix::internal
