#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "app/http_exchange.h"
#include "base/result.h"
#include "io/task.h"
#include "wire/http_message.h"

namespace selvedge::app::internal {

// An answer of our own: a status, and a sentence with the request's id as plain text. 503 says when
// to come again. `sentence` is used before the first suspension only.
io::Task<> answer_plainly(HttpExchange& exchange, wire::StatusCode status,
                          std::string_view sentence,
                          std::chrono::seconds retry_after = std::chrono::seconds(1));

// The same with a Location; `location` too is used before the first suspension only.
io::Task<> answer_with_location(HttpExchange& exchange, wire::StatusCode status,
                                wire::HeaderValue location, std::string_view sentence);

// The answer when the client broke off or misbehaved while it sent the content: `error` is that of
// HttpExchange::read_body. A client that left is counted in `abandoned`, and the error returned.
io::Task<> answer_broken_content(HttpExchange& exchange, Error error, std::uint64_t& abandoned);

}  // namespace selvedge::app::internal
