#include "gateway/internal/error_response.h"

#include "base/format.h"

namespace selvedge::gateway::internal {
namespace {

bool wants_json(const wire::RequestHead* request) {
  if (request == nullptr) {
    return false;
  }
  const auto accept = request->headers().find("accept");
  return accept && accept->find("application/json") != std::string_view::npos &&
         accept->find("text/html") == std::string_view::npos;
}

}  // namespace

ErrorResponse make_error_response(wire::StatusCode status, std::string_view reason,
                                  std::string_view request_id, const wire::RequestHead* request) {
  ErrorResponse response;
  response.head.status = status;
  wire::HeaderList& headers = response.head.headers;
  // Reasons and ids are ours: they have nothing that JSON would need escaped.
  if (wants_json(request)) {
    headers.add("content-type", "application/json");
    response.content = fmt::format(R"({{"status":{},"error":"{}","reason":"{}","request_id":"{}"}})"
                                   "\n",
                                   status.value(), status.reason(), reason, request_id);
  } else {
    headers.add("content-type", "text/plain; charset=utf-8");
    response.content = fmt::format("{} {}\n{}\nrequest id: {}\n", status.value(), status.reason(),
                                   reason, request_id);
  }
  headers.add("cache-control", "no-store");
  headers.add("x-content-type-options", "nosniff");
  if (const auto value = wire::HeaderValue::parse(request_id)) {
    headers.add("x-request-id", *value);
  }
  return response;
}

}  // namespace selvedge::gateway::internal
