#include "app/http_check.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/format.h"

namespace selvedge::app {
namespace {

constexpr std::int64_t kRegexMemoryBytesMax = std::int64_t{1} << 20;
constexpr std::uint16_t kFirstSuccess = 200;
constexpr std::uint16_t kLastSuccess = 299;

RE2::Options regex_options() {
  RE2::Options options;
  options.set_max_mem(kRegexMemoryBytesMax);
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);  // answers are bytes
  return options;
}

std::string describe(const std::vector<std::uint16_t>& codes) {
  std::string text;
  for (const std::uint16_t code : codes) {
    text += fmt::format("{}{}", text.empty() ? "" : " or ", code);
  }
  return text.empty() ? "200 to 299" : text;
}

bool accepts(const std::vector<std::uint16_t>& codes, std::uint16_t status) {
  return codes.empty() ? status >= kFirstSuccess && status <= kLastSuccess
                       : std::ranges::find(codes, status) != codes.end();
}

}  // namespace

Result<wire::RequestHead> request_of(const HttpCheck& check, std::string_view host) {
  SELVEDGE_TRY(const wire::Method method, wire::Method::parse(check.method));
  if (method.kind() == wire::Method::Kind::kConnect) {
    return fail(ErrorKind::kInvalid, "the method CONNECT asks for a tunnel, not for an answer");
  }
  wire::HeaderList headers;
  bool has_host = false;
  for (const auto& [name, value] : check.headers) {
    SELVEDGE_TRY(auto field_name, wire::HeaderName::parse(name));
    SELVEDGE_TRY(auto field_value, wire::HeaderValue::parse(value));
    if (wire::is_hop_by_hop(field_name) || field_name == "content-length" ||
        field_name == "expect") {
      return fail_format(ErrorKind::kInvalid, "the header {} is set by the node", name);
    }
    has_host = has_host || field_name == "host";
    headers.add(field_name, field_value);
  }
  if (!has_host) {
    SELVEDGE_TRY(const auto value, wire::HeaderValue::parse(host));
    headers.add("host", value);
  }
  if (!check.content.empty()) {
    headers.add_number("content-length", check.content.size());
  }
  return wire::RequestHead::create(method, check.path, std::move(headers));
}

Result<> check_regex(std::string_view expression) {
  const RE2 regex(expression, regex_options());
  if (!regex.ok()) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" is not a regular expression: {}", expression,
                       regex.error());
  }
  return {};
}

Result<> check_answer(const HttpExpectation& expect, std::uint16_t status,
                      std::string_view content) {
  if (!accepts(expect.status_codes, status)) {
    return fail_format(ErrorKind::kInvalid, "answered {}, not {}", status,
                       describe(expect.status_codes));
  }
  if (!expect.body_includes.empty() && content.find(expect.body_includes) == content.npos) {
    return fail_format(ErrorKind::kInvalid, "answered {} without \"{}\"", status,
                       expect.body_includes);
  }
  if (!expect.body_regex.empty() &&
      !RE2::PartialMatch(content, RE2(expect.body_regex, regex_options()))) {
    return fail_format(ErrorKind::kInvalid, "answered {} with nothing that matches \"{}\"", status,
                       expect.body_regex);
  }
  return {};
}

}  // namespace selvedge::app
