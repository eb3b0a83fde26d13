#include "app/internal_exchange.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/format.h"
#include "io/deadline.h"
#include "io/reactor.h"

namespace selvedge::app {

InternalExchange::InternalExchange(wire::RequestHead request, std::string content, std::string id)
    : request_(std::move(request)), content_(std::move(content)), id_(std::move(id)) {}

io::Task<std::size_t> InternalExchange::read_body(base::MutableByteSpan buffer) {
  const std::size_t count = std::min(buffer.size(), content_.size() - position_);
  std::ranges::copy(base::as_bytes(content_).subspan(position_, count), buffer.begin());
  position_ += count;
  return io::Task<std::size_t>::ready(count);
}

io::Task<> InternalExchange::send_head(wire::ResponseHead head) {
  if (head_sent_ || head.status.is_informational()) {
    return io::Task<>::ready(fail(ErrorKind::kInvalid, "no second or interim head can be sent"));
  }
  head_sent_ = true;
  status_ = head.status.value();
  return io::Task<>::ready({});
}

io::Task<> InternalExchange::write_body(base::ByteSpan bytes) {
  const std::size_t room = kCheckedContentBytesMax - received_.size();
  received_ += base::as_text(bytes.first(std::min(bytes.size(), room)));
  return io::Task<>::ready({});
}

io::Task<> InternalExchange::finish() {
  finished_ = true;
  return io::Task<>::ready({});
}

io::Task<> InternalExchange::tunnel(wire::ResponseHead /*head*/, io::Stream& /*upstream*/,
                                    base::ByteSpan /*early*/) {
  return io::Task<>::ready(
      fail(ErrorKind::kUnsupported, "a request of the node itself does not become a tunnel"));
}

io::Task<> perform_check(io::Reactor& reactor, HttpCheck check, std::string host, std::string id,
                         base::Duration timeout,
                         std::move_only_function<io::Task<>(HttpExchange&)> ask) {
  const std::string what = fmt::format("{} {}", check.method, check.path);
  SELVEDGE_CO_TRY(auto request, request_of(check, host));
  InternalExchange exchange(std::move(request), check.content, std::move(id));
  const io::Deadline deadline = reactor.deadline_after(timeout);
  auto asked = co_await io::with_deadline(ask(exchange), deadline);
  if (!asked.has_value() && deadline.passed()) {
    co_return fail_format(ErrorKind::kTimeout, "{} was not answered within {} ms", what,
                          std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count());
  }
  if (!asked.has_value() && exchange.head_sent()) {
    co_return fail_format(ErrorKind::kInvalid, "{}: the answer was cut off: {}", what,
                          asked.error().message());
  }
  if (!asked.has_value()) {
    co_return fail(std::move(asked).error().with_context(what));
  }
  auto answered = check_answer(check.expect, exchange.status(), exchange.content());
  if (!answered.has_value()) {
    co_return fail_format(ErrorKind::kInvalid, "{} {}", what, answered.error().message());
  }
  co_return {};
}

}  // namespace selvedge::app
