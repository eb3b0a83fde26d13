#include "gateway/internal/health_response.h"

#include "wire/http1_response_writer.h"

namespace selvedge::gateway::internal {

void HealthResponse::render(std::string_view date) {
  constexpr std::string_view kContent = "ok\n";
  wire::ResponseHead head;
  head.headers.add("content-type", "text/plain");
  head.headers.add("cache-control", "no-store");
  wire::Http1ResponseOptions options;
  options.content_bytes = kContent.size();
  options.date = date;
  wire::Http1ResponseWriter writer;
  bytes_.clear();
  if (writer.start(head, options, bytes_)) {
    head_size_ = bytes_.size();
    bytes_ += kContent;
    date_ = date;
  }
}

}  // namespace selvedge::gateway::internal
