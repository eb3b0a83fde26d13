#pragma once

// Who is next among those that share something by what they used of it: a pure data structure.
//
// Each node's virtual runtime grows by what it used, divided by its weight. The node furthest
// behind is next. The present is where a node would stand that always got exactly its share: it
// advances with what anybody uses, divided by all their weights, as in weighted fair queueing. So
// newcomers, which begin at the present, cannot hold up those that wait however many they are.
//
// What a node uses counts in whole quanta, so those that use little run in the order of their
// arrival, whatever each of them used.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace selvedge::engine {

// What a node begins with at the earliest is this far before the present: who comes back from
// idleness runs soon, but cannot save time up.
inline constexpr base::Duration kWakeupCredit = std::chrono::milliseconds(1);
inline constexpr base::Duration kQuantum = std::chrono::milliseconds(1);
inline constexpr std::uint32_t kWeightDefault = 1024;

class FairHeap {
 public:
  // Something that shares; in one heap at most. Owned by the caller, at a fixed address.
  class Node {
   public:
    // weight: at least 1.
    explicit Node(std::uint32_t weight = kWeightDefault) noexcept : weight_(weight) {}
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    bool in_heap() const noexcept { return index_ != kNotInHeap; }
    // Not while in a heap.
    void set_weight(std::uint32_t weight) noexcept { weight_ = weight; }

   private:
    friend class FairHeap;
    static constexpr std::size_t kNotInHeap = SIZE_MAX;
    std::uint32_t weight_;
    // Nanoseconds at the default weight, and what does not make up a quantum yet.
    std::uint64_t virtual_runtime_ = 0;
    std::uint64_t rest_ = 0;
    std::uint64_t arrival_ = 0;
    std::size_t index_ = kNotInHeap;
  };

  bool empty() const noexcept { return heap_.empty(); }
  // The node wants to run. It is not in a heap.
  void insert(Node& node);
  // It does not any more. It is in this heap.
  void remove(Node& node) noexcept;
  // The one that is next, which stays in the heap. Not of an empty heap.
  Node& next() noexcept;
  // The node, in this heap or taken out of it, used so much.
  void charge(Node& node, base::Duration used) noexcept;
  // The node has used more than its share up to now.
  bool in_debt(const Node& node) const noexcept { return node.virtual_runtime_ > present_; }

 private:
  static bool before(const Node& a, const Node& b) noexcept;
  void place(Node& node, std::size_t index) noexcept;
  void move_up(std::size_t index) noexcept;
  void move_down(std::size_t index) noexcept;

  std::vector<Node*> heap_;
  std::uint64_t weights_ = 0;  // of those in the heap
  std::uint64_t present_ = 0;
  std::uint64_t arrivals_ = 0;
};

}  // namespace selvedge::engine
