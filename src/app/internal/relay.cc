#include "app/internal/relay.h"

#include <vector>

#include "io/task_scope.h"

namespace selvedge::app::internal {
namespace {

constexpr std::size_t kPieceBytes = 16'384;

io::Task<> copy_all(io::Stream& from, io::Stream& to) {
  std::vector<std::byte> piece(kPieceBytes);
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await from.read(piece));
    if (count == 0) {
      co_return to.shutdown_write();
    }
    SELVEDGE_CO_TRY_VOID(co_await to.write_all(base::ByteSpan(piece).first(count)));
  }
}

// A direction that breaks takes the other with it, which would wait for ever.
io::Task<> copy_or_abort(io::Stream& from, io::Stream& to) {
  auto copied = co_await copy_all(from, to);
  if (!copied.has_value()) {
    from.abort();
    to.abort();
  }
  co_return copied;
}

}  // namespace

io::Task<> relay(io::Reactor& reactor, std::unique_ptr<io::Stream> a,
                 std::unique_ptr<io::Stream> b) {
  io::TaskScope back(reactor);
  back.spawn(copy_or_abort(*b, *a));
  [[maybe_unused]] const auto forth = co_await copy_or_abort(*a, *b);
  [[maybe_unused]] const auto closed = co_await back.close();
  co_return {};
}

}  // namespace selvedge::app::internal
