#include "wasix/internal/port_table.h"

#include <ranges>
#include <utility>

#include "wasix/internal/listen_queue.h"

namespace selvedge::wasix::internal {

namespace {

bool is_any_of(const BindRequest& request, const io::IpAddress& ip) noexcept {
  return request.dual || (request.ip.is_any() && request.ip.is_v6() == ip.is_v6());
}

bool overlap(const BindRequest& a, const BindRequest& b) noexcept {
  return a.ip == b.ip || is_any_of(a, b.ip) || is_any_of(b, a.ip);
}

}  // namespace

PortBinding::PortBinding(std::shared_ptr<PortTable> table, const BindRequest& request)
    : table_(std::move(table)), request_(request) {
  table_->bindings_.emplace(request_.port, this);
}

PortBinding::~PortBinding() {
  const auto [begin, end] = table_->bindings_.equal_range(request_.port);
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second == this) {
      table_->bindings_.erase(entry);
      return;
    }
  }
}

bool PortBinding::covers(const io::IpAddress& ip) const noexcept {
  return request_.ip == ip || is_any_of(request_, ip);
}

bool PortBinding::listener_conflicts() const noexcept {
  const auto [begin, end] = table_->bindings_.equal_range(request_.port);
  for (const auto& [port, other] : std::ranges::subrange(begin, end)) {
    if (other != this && other->listener != nullptr && overlap(request_, other->request_) &&
        !(request_.reuse_port && other->request_.reuse_port)) {
      return true;
    }
  }
  return false;
}

bool PortTable::conflicts(const BindRequest& request) const noexcept {
  const auto [begin, end] = bindings_.equal_range(request.port);
  for (const auto& [port, other] : std::ranges::subrange(begin, end)) {
    const BindRequest& theirs = other->request_;
    const bool may_share =
        (request.reuse_port && theirs.reuse_port) ||
        (request.reuse_address && theirs.reuse_address && other->listener == nullptr);
    if (overlap(request, theirs) && !may_share) {
      return true;
    }
  }
  return false;
}

bool PortTable::taken(const BindRequest& request) const noexcept {
  const auto [begin, end] = bindings_.equal_range(request.port);
  for (const auto& [port, other] : std::ranges::subrange(begin, end)) {
    if (overlap(request, other->request_)) {
      return true;
    }
  }
  return false;
}

ErrnoResult<std::unique_ptr<PortBinding>> PortTable::bind(BindRequest request) {
  if (request.port != 0) {
    if (conflicts(request)) {
      return refuse(Errno::kAddrinuse);
    }
    return std::make_unique<PortBinding>(shared_from_this(), request);
  }
  for (unsigned tries = 0; tries <= kLastFreePort - kFirstFreePort; ++tries) {
    request.port = next_free_;
    next_free_ =
        next_free_ == kLastFreePort ? kFirstFreePort : static_cast<std::uint16_t>(next_free_ + 1);
    if (!taken(request)) {
      return std::make_unique<PortBinding>(shared_from_this(), request);
    }
  }
  return refuse(Errno::kAddrinuse);
}

ListenQueue* PortTable::find_listener(const io::IpAddress& ip, std::uint16_t port) const noexcept {
  const PortBinding* best = nullptr;
  const auto [begin, end] = bindings_.equal_range(port);
  for (const auto& [unused, binding] : std::ranges::subrange(begin, end)) {
    if (binding->listener == nullptr || !binding->covers(ip)) {
      continue;
    }
    const bool exact = binding->ip() == ip;
    const bool best_is_exact = best != nullptr && best->ip() == ip;
    if (best == nullptr || (exact && !best_is_exact) ||
        (exact == best_is_exact && binding->listener->size() < best->listener->size())) {
      best = binding;
    }
  }
  return best == nullptr ? nullptr : best->listener;
}

std::vector<PortBinding*> PortTable::at(std::uint16_t port) const {
  std::vector<PortBinding*> found;
  const auto [begin, end] = bindings_.equal_range(port);
  for (const auto& [unused, binding] : std::ranges::subrange(begin, end)) {
    found.push_back(binding);
  }
  return found;
}

const PortBinding* PortTable::lowest_listener() const noexcept {
  for (const auto& [port, binding] : bindings_) {
    if (binding->listener != nullptr) {
      return binding;
    }
  }
  return nullptr;
}

}  // namespace selvedge::wasix::internal
