#include "app/internal/plain_answer.h"

#include <string>

#include "base/format.h"

namespace selvedge::app::internal {
namespace {

io::Task<> send_whole(HttpExchange& exchange, wire::ResponseHead head, std::string content) {
  SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
  SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(content)));
  co_return co_await exchange.finish();
}

std::string text_of(const HttpExchange& exchange, wire::StatusCode status,
                    std::string_view sentence) {
  return fmt::format("{} {}\n{}\nRequest {}\n", status.value(), status.reason(), sentence,
                     exchange.request_id());
}

wire::ResponseHead head_of(wire::StatusCode status, std::string_view text) {
  wire::ResponseHead head{.status = status, .headers = {}};
  head.headers.add("content-type", "text/plain; charset=utf-8");
  head.headers.add("cache-control", "no-store");
  head.headers.add_number("content-length", text.size());
  return head;
}

}  // namespace

io::Task<> answer_with_location(HttpExchange& exchange, wire::StatusCode status,
                                wire::HeaderValue location, std::string_view sentence) {
  std::string text = text_of(exchange, status, sentence);
  wire::ResponseHead head = head_of(status, text);
  head.headers.add("location", location);
  return send_whole(exchange, std::move(head), std::move(text));
}

io::Task<> answer_plainly(HttpExchange& exchange, wire::StatusCode status,
                          std::string_view sentence, std::chrono::seconds retry_after) {
  std::string text = text_of(exchange, status, sentence);
  wire::ResponseHead head = head_of(status, text);
  if (status == wire::StatusCode(503)) {
    head.headers.add_number("retry-after", static_cast<std::uint64_t>(retry_after.count()));
  }
  return send_whole(exchange, std::move(head), std::move(text));
}

io::Task<> answer_broken_content(HttpExchange& exchange, Error error, std::uint64_t& abandoned) {
  switch (error.kind()) {
    case ErrorKind::kOverloaded:
      return answer_plainly(exchange, wire::StatusCode(413), "The content is too long.");
    case ErrorKind::kTimeout:
      return answer_plainly(exchange, wire::StatusCode(408), "The content came too slowly.");
    case ErrorKind::kInvalid:
      return answer_plainly(exchange, wire::StatusCode(400), "The content is malformed.");
    default:
      ++abandoned;
      return io::Task<>::ready(fail(std::move(error)));
  }
}

}  // namespace selvedge::app::internal
