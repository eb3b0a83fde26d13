#include "io/internal/mailbox.h"

#include <utility>

namespace selvedge::io::internal {

Mailbox::~Mailbox() {
  // One by one: a chain of unique_ptr would destroy itself recursively.
  for (std::unique_ptr<Message> message = take_all(); message;) {
    message = std::move(message->next);
  }
}

void Mailbox::push(std::move_only_function<void()> function) {
  count_.fetch_add(1, std::memory_order_relaxed);
  auto message = std::make_unique<Message>(std::move(function), nullptr);
  Message* const added = message.release();
  Message* newest = newest_.load(std::memory_order_relaxed);
  // Sequentially consistent, as the reactor's check before it sleeps: either it sees the message,
  // or we see that it sleeps.
  do {
    static_cast<void>(added->next.release());
    added->next.reset(newest);
  } while (!newest_.compare_exchange_weak(newest, added, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
}

bool Mailbox::push_if_below(std::size_t max, std::move_only_function<void()> function) {
  if (count_.load(std::memory_order_relaxed) >= max) {
    return false;
  }
  push(std::move(function));
  return true;
}

std::unique_ptr<Mailbox::Message> Mailbox::take_all() noexcept {
  std::unique_ptr<Message> newest_first(newest_.exchange(nullptr, std::memory_order_seq_cst));
  std::unique_ptr<Message> oldest_first;
  while (newest_first) {
    std::unique_ptr<Message> rest = std::move(newest_first->next);
    newest_first->next = std::move(oldest_first);
    oldest_first = std::move(newest_first);
    newest_first = std::move(rest);
  }
  return oldest_first;
}

}  // namespace selvedge::io::internal
