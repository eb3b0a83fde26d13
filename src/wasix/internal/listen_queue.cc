#include "wasix/internal/listen_queue.h"

#include <algorithm>
#include <utility>

namespace selvedge::wasix::internal {

ConnectAttempt::~ConnectAttempt() {
  if (queue_ != nullptr) {
    queue_->forget(*this);
  }
}

ErrnoResult<std::unique_ptr<StreamEnd>> ConnectAttempt::take_end() noexcept {
  if (end_ == nullptr) {
    return refuse(error_);
  }
  return std::move(end_);
}

void ConnectAttempt::fail(Errno error) noexcept {
  queue_ = nullptr;
  error_ = error;
  options_.events->readable.set();
  options_.events->writable.set();
}

ListenQueue::ListenQueue(std::shared_ptr<LoopbackState> state, std::shared_ptr<SocketEvents> events,
                         BufferSizes sizes, std::size_t backlog) noexcept
    : state_(std::move(state)), events_(std::move(events)), sizes_(sizes), backlog_(backlog) {
  events_->writable.reset();
  update();
}

ListenQueue::~ListenQueue() {
  for (ConnectAttempt* const attempt : waiting_) {
    attempt->fail(Errno::kConnrefused);
  }
  for (const std::unique_ptr<StreamEnd>& connection : connections_) {
    connection->reset();
  }
}

void ListenQueue::set_backlog(std::size_t backlog) {
  backlog_ = backlog;
  fill();
}

void ListenQueue::connect(ConnectAttempt& attempt) {
  if (connections_.size() < backlog_) {
    complete(attempt);
    return;
  }
  attempt.queue_ = this;
  waiting_.push_back(&attempt);
}

std::unique_ptr<StreamEnd> ListenQueue::accept() {
  if (connections_.empty()) {
    return nullptr;
  }
  std::unique_ptr<StreamEnd> connection = std::move(connections_.front());
  connections_.pop_front();
  fill();
  return connection;
}

void ListenQueue::complete(ConnectAttempt& attempt) {
  std::optional<SocketSlot> slot = state_->take_slot();
  if (!slot) {
    attempt.fail(Errno::kNobufs);
    return;
  }
  const ConnectAttempt::Options& client = attempt.options_;
  attempt.queue_ = nullptr;
  attempt.end_ = std::make_unique<StreamEnd>(state_, client.events, client.sizes);
  auto server =
      std::make_unique<StreamEnd>(state_, std::make_shared<SocketEvents>(state_->reactor), sizes_);
  server->slot.emplace(*std::move(slot));
  StreamEnd::join(*attempt.end_, *server, client.local, client.target);
  connections_.push_back(std::move(server));
  events_->readable.set();
}

void ListenQueue::fill() {
  while (!waiting_.empty() && connections_.size() < backlog_) {
    ConnectAttempt& attempt = *waiting_.front();
    waiting_.pop_front();
    complete(attempt);
  }
  update();
}

void ListenQueue::forget(const ConnectAttempt& attempt) noexcept { std::erase(waiting_, &attempt); }

void ListenQueue::update() noexcept { SocketEvents::assign(events_->readable, can_accept()); }

}  // namespace selvedge::wasix::internal
