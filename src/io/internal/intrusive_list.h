#pragma once

// Doubly linked lists whose nodes are members of what they list: linking never allocates, and an
// object that dies leaves its list by itself. That second property is what makes it safe to destroy
// a suspended coroutine: whatever it waited for forgets it.

#include <utility>

namespace selvedge::io::internal {

class ListNode {
 public:
  ListNode() noexcept = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const noexcept { return next_ != nullptr; }
  // Leaves the list it is in; nothing happens when it is in none.
  void unlink() noexcept {
    if (next_ != nullptr) {
      previous_->next_ = next_;
      next_->previous_ = previous_;
      previous_ = nullptr;
      next_ = nullptr;
    }
  }

 private:
  template <class T>
  friend class List;
  ListNode* previous_ = nullptr;
  ListNode* next_ = nullptr;
};

// A list of T, which derives from ListNode. Owns nothing: a list that dies unlinks its nodes.
template <class T>
class List {
 public:
  List() noexcept { reset(); }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    while (pop_front() != nullptr) {
    }
    // The head must not look linked to ~ListNode.
    head_.previous_ = nullptr;
    head_.next_ = nullptr;
  }

  bool empty() const noexcept { return head_.next_ == &head_; }
  T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next_); }

  // `node` must be in no list.
  void push_back(T& item) noexcept {
    ListNode& node = item;
    node.previous_ = head_.previous_;
    node.next_ = &head_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
  }
  T* pop_front() noexcept {
    T* item = front();
    if (item != nullptr) {
      static_cast<ListNode*>(item)->unlink();
    }
    return item;
  }
  // Moves all of `other` to our end, in constant time.
  void splice_back(List& other) noexcept {
    if (other.empty()) {
      return;
    }
    other.head_.next_->previous_ = head_.previous_;
    head_.previous_->next_ = other.head_.next_;
    other.head_.previous_->next_ = &head_;
    head_.previous_ = other.head_.previous_;
    other.reset();
  }

 private:
  void reset() noexcept {
    head_.previous_ = &head_;
    head_.next_ = &head_;
  }
  ListNode head_;
};

}  // namespace selvedge::io::internal
