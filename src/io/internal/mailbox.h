#pragma once

// Functions posted by any thread to one reactor: a lock-free stack that the reactor takes as a
// whole and reverses. One allocation per message; pushing is one compare-exchange loop, taking one
// exchange.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

namespace selvedge::io::internal {

class Mailbox {
 public:
  struct Message {
    std::move_only_function<void()> function;
    std::unique_ptr<Message> next;
  };

  Mailbox() noexcept = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox();

  // Any thread.
  void push(std::move_only_function<void()> function);
  // False when `max` messages wait already.
  [[nodiscard]] bool push_if_below(std::size_t max, std::move_only_function<void()> function);
  bool empty() const noexcept { return newest_.load(std::memory_order_seq_cst) == nullptr; }

  // The reactor's thread: all messages, the oldest first.
  std::unique_ptr<Message> take_all() noexcept;
  // To be called for every message that was taken and run.
  void message_done() noexcept { count_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<Message*> newest_{nullptr};
  std::atomic<std::size_t> count_{0};
};

}  // namespace selvedge::io::internal
