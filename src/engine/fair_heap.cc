#include "engine/fair_heap.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace selvedge::engine {
namespace {

constexpr auto kCreditNanoseconds = static_cast<std::uint64_t>(kWakeupCredit.count());
constexpr auto kQuantumNanoseconds = static_cast<std::uint64_t>(kQuantum.count());

}  // namespace

void FairHeap::insert(Node& node) {
  SELVEDGE_ASSERT(!node.in_heap());
  const std::uint64_t floor = present_ > kCreditNanoseconds ? present_ - kCreditNanoseconds : 0;
  node.virtual_runtime_ = std::max(node.virtual_runtime_, floor);
  node.arrival_ = ++arrivals_;
  weights_ += node.weight_;
  node.index_ = heap_.size();
  heap_.push_back(&node);
  move_up(node.index_);
}

void FairHeap::remove(Node& node) noexcept {
  SELVEDGE_ASSERT(node.in_heap());
  const std::size_t index = std::exchange(node.index_, Node::kNotInHeap);
  weights_ -= node.weight_;
  Node* last = heap_.back();
  heap_.pop_back();
  if (last != &node) {
    place(*last, index);
    move_up(index);
    move_down(last->index_);
  }
}

FairHeap::Node& FairHeap::next() noexcept {
  Node& node = *heap_.front();
  // Nobody is further behind: the present is not before what all that wait have had already.
  present_ = std::max(present_, node.virtual_runtime_);
  return node;
}

void FairHeap::charge(Node& node, base::Duration used) noexcept {
  const auto nanoseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(used.count(), 0));
  const std::uint64_t weighted = nanoseconds * kWeightDefault;
  node.rest_ += weighted / node.weight_;
  node.virtual_runtime_ += node.rest_ - node.rest_ % kQuantumNanoseconds;
  node.rest_ %= kQuantumNanoseconds;
  present_ += weighted / (weights_ + (node.in_heap() ? 0 : node.weight_));
  if (node.in_heap()) {
    move_down(node.index_);
  }
}

bool FairHeap::before(const Node& a, const Node& b) noexcept {
  return a.virtual_runtime_ != b.virtual_runtime_ ? a.virtual_runtime_ < b.virtual_runtime_
                                                  : a.arrival_ < b.arrival_;
}

void FairHeap::place(Node& node, std::size_t index) noexcept {
  heap_[index] = &node;
  node.index_ = index;
}

void FairHeap::move_up(std::size_t index) noexcept {
  while (index > 0 && before(*heap_[index], *heap_[(index - 1) / 2])) {
    const std::size_t above = (index - 1) / 2;
    Node& parent = *heap_[above];
    place(*heap_[index], above);
    place(parent, index);
    index = above;
  }
}

void FairHeap::move_down(std::size_t index) noexcept {
  while (true) {
    std::size_t least = index;
    for (const std::size_t child : {2 * index + 1, 2 * index + 2}) {
      if (child < heap_.size() && before(*heap_[child], *heap_[least])) {
        least = child;
      }
    }
    if (least == index) {
      return;
    }
    Node& lower = *heap_[index];
    place(*heap_[least], index);
    place(lower, least);
    index = least;
  }
}

}  // namespace selvedge::engine
