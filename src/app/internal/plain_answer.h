#pragma once

#include <chrono>
#include <string_view>

#include "app/http_exchange.h"
#include "io/task.h"
#include "wire/http_message.h"

namespace selvedge::app::internal {

// An answer of our own: a status, and a sentence with the request's id as plain text. 503 says when
// to come again. `sentence` is used before the first suspension only.
io::Task<> answer_plainly(HttpExchange& exchange, wire::StatusCode status,
                          std::string_view sentence,
                          std::chrono::seconds retry_after = std::chrono::seconds(1));

}  // namespace selvedge::app::internal
