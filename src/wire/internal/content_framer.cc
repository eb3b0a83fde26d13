#include "wire/internal/content_framer.h"

#include <charconv>

namespace selvedge::wire::internal {

Result<ContentFrame> ContentFramer::frame(base::ByteSpan data) {
  ContentFrame content;
  switch (framing_) {
    case Framing::kNone:
      break;
    case Framing::kUntilClose:
      content.data = data;
      break;
    case Framing::kFixed:
      if (data.size() > remaining_) {
        return fail(ErrorKind::kInvalid, "the content is longer than Content-Length says");
      }
      remaining_ -= data.size();
      content.data = data;
      break;
    case Framing::kChunked: {
      if (data.empty()) {
        break;  // a chunk of no bytes would end the message
      }
      char* const begin = chunk_prefix_.data();
      char* end = std::to_chars(begin, begin + 16, data.size(), 16).ptr;
      *end++ = '\r';
      *end++ = '\n';
      content.prefix = {begin, end};
      content.data = data;
      content.suffix = "\r\n";
      break;
    }
  }
  return content;
}

Result<std::string_view> ContentFramer::finish() const {
  if (framing_ == Framing::kFixed && remaining_ > 0) {
    return fail(ErrorKind::kInvalid, "the content is shorter than Content-Length says");
  }
  return framing_ == Framing::kChunked ? std::string_view("0\r\n\r\n") : std::string_view();
}

}  // namespace selvedge::wire::internal
