#pragma once

// The HTTP of tests' own servers.

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "io/stream.h"
#include "io/task.h"
#include "wire/http1_request_parser.h"

namespace selvedge::app::testing {

// For each request on the connection `answer(stream, path)`, a task, until the peer ends it or
// writes what is no request.
template <class Answer>
io::Task<> answer_requests(std::unique_ptr<io::Stream> stream, Answer answer) {
  wire::Http1RequestParser parser({});
  std::string input;
  std::array<std::byte, 4096> buffer{};
  for (;;) {
    const auto event = parser.next(base::as_bytes(input));
    if (!event) {
      co_return {};
    }
    input.erase(0, event->consumed);
    if (event->kind == wire::Http1EventKind::kNeedMore) {
      SELVEDGE_CO_TRY(const std::size_t count, co_await stream->read(buffer));
      if (count == 0) {
        co_return {};
      }
      input += base::as_text(std::span(buffer).first(count));
    } else if (event->kind == wire::Http1EventKind::kEnd) {
      SELVEDGE_CO_TRY_VOID(co_await answer(*stream, std::string(parser.head().target().path())));
      parser.start_next();
    }
  }
}

}  // namespace selvedge::app::testing
