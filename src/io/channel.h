#pragma once

// A bounded queue between tasks of one reactor. A full channel makes senders wait: that is its
// backpressure. (Between shards: Reactor::try_post a function that sends.)

#include <cstddef>
#include <deque>
#include <utility>

#include "base/assert.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/task.h"

namespace selvedge::io {

// Any number of senders and receivers, served in the order in which they are resumed. The reactor's
// thread only. Must outlive the tasks that wait in it.
template <class T>
class Channel {
 public:
  // 0 < capacity: items that wait in the channel at most.
  Channel(Reactor& reactor, std::size_t capacity)
      : sendable_(reactor), receivable_(reactor), capacity_(capacity) {
    SELVEDGE_ASSERT(capacity > 0);
    sendable_.set();
  }

  // False when the channel is full or closed; `item` is moved from only on success.
  bool try_send(T& item) {
    if (closed_ || items_.size() >= capacity_) {
      return false;
    }
    items_.push_back(std::move(item));
    update();
    return true;
  }
  bool try_send(T&& item) { return try_send(item); }

  // Waits for room. kDisconnected when the channel is or becomes closed, kTimeout.
  Task<> send(T item, Deadline deadline = Deadline::never()) {
    while (!try_send(item)) {
      if (closed_) {
        co_return fail(ErrorKind::kDisconnected, "the channel is closed");
      }
      SELVEDGE_CO_TRY_VOID(co_await sendable_.wait(deadline));
    }
    co_return {};
  }

  // The oldest item; nullopt when there is none now.
  std::optional<T> try_receive() {
    if (items_.empty()) {
      return std::nullopt;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    update();
    return item;
  }

  // Waits for an item. kDisconnected when the channel is closed and empty, kTimeout.
  Task<T> receive(Deadline deadline = Deadline::never()) {
    for (;;) {
      if (std::optional<T> item = try_receive()) {
        co_return *std::move(item);
      }
      if (closed_) {
        co_return fail(ErrorKind::kDisconnected, "the channel is closed");
      }
      SELVEDGE_CO_TRY_VOID(co_await receivable_.wait(deadline));
    }
  }

  // No item is accepted any more; those inside can still be received. May be called again.
  void close() noexcept {
    closed_ = true;
    sendable_.set();
    receivable_.set();
  }

  bool closed() const noexcept { return closed_; }
  std::size_t size() const noexcept { return items_.size(); }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  void update() noexcept {
    set_if(receivable_, closed_ || !items_.empty());
    set_if(sendable_, closed_ || items_.size() < capacity_);
  }
  static void set_if(Event& event, bool condition) noexcept {
    if (condition) {
      event.set();
    } else {
      event.reset();
    }
  }

  Event sendable_;
  Event receivable_;
  std::size_t capacity_;
  bool closed_ = false;
  std::deque<T> items_;
};

}  // namespace selvedge::io
