#include "wire/http1_response_parser.h"

#include <array>
#include <limits>
#include <string_view>

#include "base/assert.h"
#include "wire/characters.h"
#include "wire/internal/field_store.h"
#include "wire/internal/head_tokenizer.h"

namespace selvedge::wire {
namespace {

static_assert(Http1ResponseParser::kHeadersCapacity <= internal::kFieldsMax);

// Whatever an upstream does wrong, the client learns that the gateway got no valid answer.
std::unexpected<HttpRejection> bad(std::string_view reason) noexcept {
  return std::unexpected(HttpRejection{StatusCode(502), reason});
}

std::string_view describe(internal::HeadScan scan) noexcept {
  switch (scan) {
    case internal::HeadScan::kFirstLineTooLong:
      return "the status line is too long";
    case internal::HeadScan::kFieldTooLong:
      return "a header field is too long";
    case internal::HeadScan::kHeadTooLarge:
      return "the response head is too large";
    case internal::HeadScan::kTooManyFields:
      return "there are too many header fields";
    case internal::HeadScan::kEmptyFirstLine:
      return "the status line is empty";
    case internal::HeadScan::kBadLineEnd:
    case internal::HeadScan::kIncomplete:
    case internal::HeadScan::kComplete:
      break;
  }
  return "a line does not end with CRLF";
}

std::string_view describe(internal::TokenizeStatus status) noexcept {
  switch (status) {
    case internal::TokenizeStatus::kBadLineEnd:
      return "a line does not end with CRLF";
    case internal::TokenizeStatus::kBadName:
      return "a header field name is invalid";
    case internal::TokenizeStatus::kBadValue:
      return "a header field value has a control character";
    case internal::TokenizeStatus::kTooManyFields:
      return "there are too many header fields";
    case internal::TokenizeStatus::kBadVersion:
      return "the response is neither HTTP/1.0 nor HTTP/1.1";
    case internal::TokenizeStatus::kBadRequestLine:
    case internal::TokenizeStatus::kBadStatusLine:
    case internal::TokenizeStatus::kComplete:
      break;
  }
  return "the status line is invalid";
}

}  // namespace

// What the fields say together.
struct Http1ResponseParser::FieldFacts {
  std::optional<std::string_view> content_length;
  std::optional<std::string_view> transfer_encoding;
  bool has_duplicate = false;  // of one of the above
  bool has_close = false;
  bool has_keep_alive = false;

  void note(const Header& field) noexcept {
    const auto note_single = [&](std::optional<std::string_view>& seen) {
      has_duplicate = has_duplicate || seen.has_value();
      seen = field.value.text();
    };
    if (field.name == "content-length") {
      note_single(content_length);
    } else if (field.name == "transfer-encoding") {
      note_single(transfer_encoding);
    } else if (field.name == "connection") {
      std::string_view rest = field.value.text();
      while (!rest.empty()) {
        const std::string_view option = next_list_element(rest);
        has_close = has_close || equals_ignoring_case(option, "close");
        has_keep_alive = has_keep_alive || equals_ignoring_case(option, "keep-alive");
      }
    }
  }
};

Http1ResponseParser::Http1ResponseParser(const Http1ResponseLimits& limits)
    : limits_(limits), content_(limits.chunked) {
  SELVEDGE_ASSERT(limits.fields_max <= kHeadersCapacity);
}

void Http1ResponseParser::start(const Http1ResponseContext& context) noexcept {
  context_ = context;
  scanner_.start();
  interim_count_ = 0;
  is_upgrade_ = keep_alive_ = false;
  state_ = State::kHead;
}

Http1ResponseParser::Step Http1ResponseParser::settle(Step step) noexcept {
  if (!step) {
    state_ = State::kRejected;
    rejection_ = {StatusCode(502), step.error().reason};
    return std::unexpected(rejection_);
  }
  if (step->kind == Http1EventKind::kEnd) {
    state_ = State::kEnd;
  }
  return step;
}

std::expected<Http1Event, HttpRejection> Http1ResponseParser::next(base::ByteSpan input) {
  switch (state_) {
    case State::kHead:
      return settle(next_head(input));
    case State::kContent:
      return settle(content_.next(input));
    case State::kEnd:
      return Http1Event{.kind = Http1EventKind::kEnd, .consumed = 0, .data = {}};
    case State::kRejected:
      break;
  }
  return std::unexpected(rejection_);
}

std::expected<Http1Event, HttpRejection> Http1ResponseParser::end_of_input() {
  switch (state_) {
    case State::kHead:
      return settle(bad("the connection ended before the response head was complete"));
    case State::kContent:
      if (content_.ends_by_close()) {
        content_.start_fixed(0);
      }
      if (const Step step = content_.next({}); !step || step->kind == Http1EventKind::kEnd) {
        return settle(step);
      }
      return settle(bad("the connection ended before the content was complete"));
    case State::kEnd:
    case State::kRejected:
      break;
  }
  return next({});
}

Http1ResponseParser::Step Http1ResponseParser::next_head(base::ByteSpan input) {
  Http1Event event;
  for (;;) {
    const std::string_view text = base::as_text(input.subspan(event.consumed));
    const internal::HeadScan scan =
        scanner_.scan(text, {.first_line_bytes_max = limits_.status_line_bytes_max + 1,
                             .line_bytes_max = limits_.field_bytes_max + 1,
                             .head_bytes_max = limits_.response_head_bytes_max,
                             .fields_max = limits_.fields_max});
    if (scan == internal::HeadScan::kIncomplete) {
      return event;
    }
    if (scan != internal::HeadScan::kComplete) {
      return bad(describe(scan));
    }
    const std::size_t size = scanner_.size();
    scanner_.start();
    if (const auto parsed = parse_head(text.substr(0, size)); !parsed) {
      return std::unexpected(parsed.error());
    }
    event.consumed += size;
    if (!head_.status.is_informational() || is_upgrade_) {
      event.kind = Http1EventKind::kHead;
      state_ = State::kContent;
      return event;
    }
    if (++interim_count_ > limits_.interim_responses_max) {
      return bad("there are too many interim responses");
    }
  }
}

std::expected<void, HttpRejection> Http1ResponseParser::parse_head(std::string_view text) {
  [[clang::uninitialized]] std::array<internal::FieldSpan, kHeadersCapacity> fields;
  const internal::TokenizedResponseHead tokens = internal::tokenize_response_head(text, fields);
  if (tokens.status != internal::TokenizeStatus::kComplete) {
    return bad(describe(tokens.status));
  }
  const auto status = StatusCode::from_number(tokens.status_code);
  if (!status) {
    return bad("the status code is not between 100 and 599");
  }
  head_.status = *status;
  if (!internal::FieldStore::assign(head_.headers, text,
                                    std::span(fields).first(tokens.field_count))) {
    return bad("a header field name is too long");
  }
  FieldFacts facts;
  for (const Header field : head_.headers) {
    facts.note(field);
  }
  if (const auto applied = apply(facts, tokens.is_http11); !applied) {
    return applied;
  }
  head_.headers.remove("transfer-encoding");
  return {};
}

std::expected<void, HttpRejection> Http1ResponseParser::apply(const FieldFacts& facts,
                                                              bool is_http11) {
  if (facts.has_duplicate) {
    return bad("Content-Length or Transfer-Encoding is repeated");
  }
  if (facts.transfer_encoding) {
    if (facts.content_length || !is_http11) {
      return bad("Transfer-Encoding is combined with Content-Length or HTTP/1.0");
    }
    if (!equals_ignoring_case(*facts.transfer_encoding, "chunked")) {
      return bad("only the transfer coding chunked is understood");
    }
  }
  std::optional<std::uint64_t> length;
  if (facts.content_length) {
    length = parse_content_length(*facts.content_length);
    if (!length) {
      return bad("Content-Length is not a number");
    }
  }
  const std::uint16_t status = head_.status.value();
  if ((head_.status.is_informational() || status == 204) &&
      (facts.transfer_encoding || length.value_or(0) > 0)) {
    return bad("content is announced for a status that has none");
  }
  is_upgrade_ = status == 101;
  if (is_upgrade_ && (!context_.offers_upgrade || !is_http11)) {
    return bad("the protocol is switched without an offer");
  }
  keep_alive_ = !is_upgrade_ && !facts.has_close && (is_http11 || facts.has_keep_alive);
  if (head_.status.forbids_content() || context_.is_head_request) {
    content_.start_fixed(0);
  } else if (facts.transfer_encoding) {
    content_.start_chunked(std::numeric_limits<std::uint64_t>::max());
  } else if (length) {
    content_.start_fixed(*length);
  } else {
    content_.start_until_close();
    keep_alive_ = false;
  }
  return {};
}

}  // namespace selvedge::wire
