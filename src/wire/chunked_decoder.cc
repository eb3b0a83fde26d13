#include "wire/chunked_decoder.h"

#include <algorithm>

#include "wire/characters.h"

namespace selvedge::wire {
namespace {

std::unexpected<HttpRejection> bad(std::string_view reason) noexcept {
  return std::unexpected(HttpRejection{StatusCode(400), reason});
}
std::unexpected<HttpRejection> too_large(std::string_view reason) noexcept {
  return std::unexpected(HttpRejection{StatusCode(431), reason});
}

// Fields that would change framing, routing, authentication or interpretation after the fact (RFC
// 9110 section 6.5.1).
bool is_forbidden_trailer(HeaderName name) noexcept {
  return is_hop_by_hop(name) || name == "content-length" || name == "host" ||
         name == "content-encoding" || name == "content-type" || name == "content-range" ||
         name == "authorization" || name == "proxy-authorization" || name == "cookie" ||
         name == "set-cookie" || name == "expect" || name == "max-forwards" || name == "range" ||
         name == "cache-control";
}

}  // namespace

void ChunkedDecoder::start(std::uint64_t content_bytes_max) noexcept {
  trailers_.clear();
  trailer_line_.clear();
  content_remaining_ = std::min(content_bytes_max, kContentBytesMax);
  chunk_remaining_ = 0;
  extension_bytes_ = extension_bytes_total_ = trailer_bytes_ = 0;
  state_ = State::kSizeStart;
}

std::expected<ChunkedStep, HttpRejection> ChunkedDecoder::decode(base::ByteSpan input) {
  ChunkedStep result;
  while (result.consumed < input.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const std::uint64_t size =
          std::min<std::uint64_t>(chunk_remaining_, input.size() - result.consumed);
      result.data = input.subspan(result.consumed, static_cast<std::size_t>(size));
      result.consumed += static_cast<std::size_t>(size);
      chunk_remaining_ -= size;
      if (chunk_remaining_ == 0) {
        state_ = State::kDataCr;
      }
      return result;
    }
    const auto stepped = step(static_cast<char>(input[result.consumed]));
    if (!stepped) {
      return std::unexpected(stepped.error());
    }
    ++result.consumed;
  }
  result.finished = state_ == State::kDone;
  return result;
}

std::expected<void, HttpRejection> ChunkedDecoder::add_size_digit(int digit) noexcept {
  // content_remaining_ bounds the value after every digit, so it cannot overflow.
  chunk_remaining_ = chunk_remaining_ * 16 + static_cast<std::uint64_t>(digit);
  if (chunk_remaining_ > content_remaining_) {
    return std::unexpected(HttpRejection{StatusCode(413), "the content is too large"});
  }
  return {};
}

std::expected<void, HttpRejection> ChunkedDecoder::step_size(char c) noexcept {
  const int digit = hex_value(c);
  if (digit >= 0) {
    if (state_ == State::kSizeStart) {
      chunk_remaining_ = 0;
      extension_bytes_ = 0;
    } else if (++extension_bytes_ >= kSizeDigitsMax) {
      return bad("a chunk size has too many digits");
    }
    state_ = State::kSize;
    return add_size_digit(digit);
  }
  if (state_ == State::kSizeStart || (c != ';' && c != '\r')) {
    return bad("a chunk size is not a hexadecimal number");
  }
  extension_bytes_ = 0;
  in_quotes_ = escaped_ = false;
  state_ = c == ';' ? State::kExtension : State::kSizeLf;
  return {};
}

std::expected<void, HttpRejection> ChunkedDecoder::step(char c) {
  switch (state_) {
    case State::kSizeStart:
    case State::kSize:
      return step_size(c);
    case State::kExtension:
      return step_extension(c);
    case State::kSizeLf:
      if (c != '\n') {
        return bad("a chunk size line does not end with CRLF");
      }
      content_remaining_ -= chunk_remaining_;
      state_ = chunk_remaining_ == 0 ? State::kTrailer : State::kData;
      return {};
    case State::kDataCr:
    case State::kDataLf:
      if (c != (state_ == State::kDataCr ? '\r' : '\n')) {
        return bad("a chunk does not end with CRLF");
      }
      state_ = state_ == State::kDataCr ? State::kDataLf : State::kSizeStart;
      return {};
    case State::kTrailer:
    case State::kTrailerLf:
      return step_trailer(c);
    case State::kData:
    case State::kDone:
      break;
  }
  return {};
}

std::expected<void, HttpRejection> ChunkedDecoder::step_extension(char c) noexcept {
  if (c == '\r' && extension_bytes_ > 0 && !in_quotes_) {
    state_ = State::kSizeLf;
    return {};
  }
  // An extension has a name; white space before it is a relic that smugglers use.
  if (extension_bytes_ == 0 ? !is_token_character(c) : !is_field_content({&c, 1})) {
    return bad("a chunk extension is invalid");
  }
  if (escaped_) {
    escaped_ = false;
  } else if (c == '"') {
    in_quotes_ = !in_quotes_;
  } else {
    escaped_ = in_quotes_ && c == '\\';
  }
  if (++extension_bytes_ > limits_.extension_bytes_max ||
      ++extension_bytes_total_ > limits_.extension_bytes_total_max) {
    return bad("the chunk extensions are too long");
  }
  return {};
}

std::expected<void, HttpRejection> ChunkedDecoder::step_trailer(char c) {
  if (state_ == State::kTrailerLf) {
    return c == '\n' ? end_trailer_line() : bad("a trailer line does not end with CRLF");
  }
  if (++trailer_bytes_ > limits_.trailer_bytes_max) {
    return too_large("the trailers are too large");
  }
  if (c == '\n') {
    return bad("a trailer line does not end with CRLF");
  }
  if (c == '\r') {
    state_ = State::kTrailerLf;
  } else {
    trailer_line_ += c;
  }
  return {};
}

std::expected<void, HttpRejection> ChunkedDecoder::end_trailer_line() {
  if (trailer_line_.empty()) {
    state_ = State::kDone;
    return {};
  }
  state_ = State::kTrailer;
  const std::size_t colon = trailer_line_.find(':');
  const std::string_view line = trailer_line_;
  const auto name = HeaderName::parse(line.substr(0, colon));
  if (colon == std::string_view::npos || !name) {
    return bad("a trailer has an invalid name");
  }
  const auto value = HeaderValue::parse(line.substr(colon + 1));
  if (!value) {
    return bad("a trailer has an invalid value");
  }
  if (is_forbidden_trailer(*name)) {
    return bad("a field is not allowed in trailers");
  }
  if (trailers_.size() >= limits_.trailers_max) {
    return too_large("there are too many trailers");
  }
  trailers_.add(*name, *value);
  trailer_line_.clear();
  return {};
}

}  // namespace selvedge::wire
