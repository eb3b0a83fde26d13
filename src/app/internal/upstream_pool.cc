#include "app/internal/upstream_pool.h"

#include <array>
#include <utility>

namespace selvedge::app::internal {
namespace {

// Neither ended nor sent to: a byte that comes between two requests belongs to no response.
bool is_quiet(io::Stream& stream) {
  std::array<std::byte, 1> byte{};
  if (!stream.readable().is_set()) {
    return true;
  }
  const io::Attempt attempt = stream.try_read(byte);
  return attempt.has_value() && !attempt->has_value();
}

}  // namespace

std::unique_ptr<io::Stream> UpstreamPool::take(base::Duration idle_max) {
  while (!idle_.empty() && reactor_.now() - idle_.back().since < idle_max) {
    std::unique_ptr<io::Stream> stream = std::move(idle_.back().stream);
    idle_.pop_back();
    if (is_quiet(*stream)) {
      return stream;
    }
  }
  return nullptr;
}

void UpstreamPool::put(std::unique_ptr<io::Stream> stream) {
  if (idle_.size() >= connections_max_) {
    if (idle_.empty()) {
      return;
    }
    idle_.pop_front();
  }
  idle_.push_back({.stream = std::move(stream), .since = reactor_.now()});
  if (!expiry_.armed()) {
    reactor_.timers().arm(expiry_, idle_.front().since + idle_time_max_);
  }
}

void UpstreamPool::clear() noexcept {
  idle_.clear();
  expiry_.cancel();
}

void UpstreamPool::expire() noexcept {
  while (!idle_.empty() && reactor_.now() - idle_.front().since >= idle_time_max_) {
    idle_.pop_front();
  }
  if (!idle_.empty()) {
    reactor_.timers().arm(expiry_, idle_.front().since + idle_time_max_);
  }
}

}  // namespace selvedge::app::internal
