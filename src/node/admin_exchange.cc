#include "node/admin_exchange.h"

#include <array>

#include "app/json_reader.h"
#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kPieceBytes = 16'384;

wire::StatusCode status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return wire::StatusCode(400);
    case ErrorKind::kDenied:
      return wire::StatusCode(403);
    case ErrorKind::kNotFound:
      return wire::StatusCode(404);
    case ErrorKind::kConflict:
      return wire::StatusCode(409);
    case ErrorKind::kUnsupported:
      return wire::StatusCode(422);
    case ErrorKind::kOverloaded:
    case ErrorKind::kDisconnected:
    case ErrorKind::kTimeout:
      return wire::StatusCode(503);
    default:
      return wire::StatusCode(500);
  }
}

}  // namespace

std::vector<std::string_view> path_segments(std::string_view path) {
  std::vector<std::string_view> segments;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
  }
  return segments;
}

io::Task<std::string> read_content(app::HttpExchange& exchange, std::size_t bytes_max) {
  std::string content;
  std::array<std::byte, kPieceBytes> piece;
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await exchange.read_body(piece));
    if (count == 0) {
      co_return content;
    }
    if (content.size() + count > bytes_max) {
      co_return fail_format(ErrorKind::kInvalid, "the request is larger than {} KiB",
                            bytes_max / 1024);
    }
    content += base::as_text(base::ByteSpan(piece).first(count));
  }
}

io::Task<> answer_json(app::HttpExchange& exchange, wire::StatusCode status, nlohmann::json value) {
  const std::string text = app::json_text(value) + "\n";
  wire::ResponseHead head{.status = status, .headers = {}};
  head.headers.add("content-type", "application/json");
  head.headers.add_number("content-length", text.size());
  SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
  SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(text)));
  co_return co_await exchange.finish();
}

io::Task<> write_line(app::HttpExchange& exchange, nlohmann::json value) {
  const std::string line = app::json_text(value) + "\n";
  co_return co_await exchange.write_body(base::as_bytes(line));
}

io::Task<> answer_empty(app::HttpExchange& exchange) {
  SELVEDGE_CO_TRY_VOID(
      co_await exchange.send_head({.status = wire::StatusCode(204), .headers = {}}));
  co_return co_await exchange.finish();
}

nlohmann::json error_json(const Error& error) {
  return {{"error", error.message()}, {"kind", to_string(error.kind())}};
}

io::Task<> answer_error(app::HttpExchange& exchange, const Error& error) {
  return answer_json(exchange, status_of(error.kind()), error_json(error));
}

}  // namespace selvedge::node
