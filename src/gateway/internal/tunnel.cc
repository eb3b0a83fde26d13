#include "gateway/internal/tunnel.h"

#include <algorithm>
#include <utility>

#include "io/task_scope.h"

namespace selvedge::gateway::internal {

Tunnel::Tunnel(ShardContext& context, io::Stream& client, InputBuffer& from_client,
               io::Stream& upstream) noexcept
    : context_(context),
      client_(client),
      upstream_(upstream),
      from_client_(from_client),
      from_upstream_(context.blocks, BlockPool::kBlockBytes),
      last_activity_(context.reactor.now()) {}

io::Task<> Tunnel::run(base::ByteSpan early) {
  io::TaskScope other(context_.reactor, 1);
  other.spawn(carry_or_close({.from = client_,
                              .to = upstream_,
                              .buffer = from_client_,
                              .bytes = context_.metrics.bytes_received_total}));
  co_await send_early(early, {.from = upstream_,
                              .to = client_,
                              .buffer = from_upstream_,
                              .bytes = context_.metrics.bytes_sent_total});
  co_await other.close();
  if (error_) {
    co_return fail(*std::exchange(error_, std::nullopt));
  }
  co_return {};
}

void Tunnel::drain() noexcept {
  draining_ = true;
  notify();
}

void Tunnel::notify() noexcept {
  client_.readable().notify();
  upstream_.readable().notify();
}

base::MonotonicTime Tunnel::end_time() const noexcept {
  const base::MonotonicTime end =
      last_activity_ + (draining_ ? kDrainPause : context_.options.tunnel_idle_timeout);
  return half_closed_at_ ? std::min(end, *half_closed_at_ + kHalfClosedMax) : end;
}

io::Task<> Tunnel::send_early(base::ByteSpan early, Direction direction) {
  if (!early.empty()) {
    if (Result<> written = co_await write(direction, early); !written) {
      error_ = std::move(written).error();
      client_.close();
      upstream_.close();
      co_return {};
    }
  }
  co_return co_await carry_or_close(direction);
}

io::Task<> Tunnel::carry_or_close(Direction direction) {
  Result<> result = co_await carry(direction);
  if (result) {
    result = direction.to.shutdown_write();
  }
  if (!result) {
    if (!error_) {
      error_ = std::move(result).error();
    }
    client_.close();
    upstream_.close();
  } else if (!half_closed_at_) {
    half_closed_at_ = context_.reactor.now();
    notify();
  }
  co_return {};
}

io::Task<> Tunnel::write(Direction direction, base::ByteSpan bytes) {
  SELVEDGE_CO_TRY_VOID(co_await direction.to.write_all(
      bytes, context_.reactor.deadline_after(context_.options.tunnel_idle_timeout)));
  direction.bytes.add(bytes.size());
  last_activity_ = context_.reactor.now();
  co_return {};
}

io::Task<> Tunnel::carry(Direction direction) {
  io::Reactor& reactor = context_.reactor;
  for (;;) {
    if (!direction.buffer.empty()) {
      SELVEDGE_CO_TRY_VOID(co_await write(direction, direction.buffer.bytes()));
      direction.buffer.consume(direction.buffer.bytes().size());
    }
    if (direction.from.readable().is_set()) {
      SELVEDGE_CO_TRY(const std::optional<std::size_t> count,
                      direction.from.try_read(direction.buffer.space()));
      if (count) {
        if (*count == 0) {
          co_return {};
        }
        direction.buffer.commit(*count);
        last_activity_ = reactor.now();
        continue;
      }
    }
    direction.buffer.release_if_empty();
    if (reactor.now() >= end_time()) {
      co_return fail(ErrorKind::kTimeout, "nothing passed through the tunnel for too long");
    }
    // Woken by bytes, by notify(), or when the time has come: each is looked at above.
    [[maybe_unused]] const Result<> woken =
        co_await direction.from.readable().wait(reactor.deadline_at(end_time()));
  }
}

}  // namespace selvedge::gateway::internal
