#pragma once

#include <string>
#include <string_view>

#include "wire/http_message.h"

namespace selvedge::gateway::internal {

// What a client is told when the gateway, not the application, answers. Short, never cached, with
// the request's id to quote.
struct ErrorResponse {
  wire::ResponseHead head;
  std::string content;
};

// JSON when the request's Accept asks for it, else plain text. `request` is null when there is no
// valid head. `reason`: one sentence that is safe to show.
ErrorResponse make_error_response(wire::StatusCode status, std::string_view reason,
                                  std::string_view request_id, const wire::RequestHead* request);

}  // namespace selvedge::gateway::internal
