#include "store/internal/s3_xml.h"

#include <pugixml.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

#include "base/log.h"

namespace selvedge::store::internal {
namespace {

constexpr std::size_t kUploadIdBytesMax = 2048;
constexpr std::size_t kTextBytesMax = 256;

// The root element, when it is `name`. Entities of a DTD are not expanded by this parser.
pugi::xml_node parse_root(pugi::xml_document& document, base::ByteSpan xml, const char* name) {
  const auto parsed = document.load_buffer(
      xml.data(), xml.size(), pugi::parse_minimal | pugi::parse_escapes, pugi::encoding_utf8);
  const pugi::xml_node root = document.document_element();
  return parsed && std::string_view(root.name()) == name ? root : pugi::xml_node();
}

Error malformed(std::string_view what) {
  return Error(ErrorKind::kInternal,
               std::string("the S3 server's answer is malformed: ").append(what));
}

// All of `text` as a number.
template <class Number>
bool parse_digits(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';  // some servers encode as in forms
      continue;
    }
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
      return std::nullopt;
    }
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

}  // namespace

bool is_safe_etag(std::string_view etag) noexcept {
  return !etag.empty() && etag.size() <= kTextBytesMax && std::ranges::all_of(etag, [](char c) {
    return c > ' ' && c < '\x7f' && c != '<' && c != '>' && c != '&';
  });
}

Result<S3ListAnswer> parse_list_answer(base::ByteSpan xml) {
  pugi::xml_document document;
  const pugi::xml_node root = parse_root(document, xml, "ListBucketResult");
  const std::string_view truncated = root.child_value("IsTruncated");
  if (!root || (truncated != "true" && truncated != "false")) {
    return fail(malformed("no ListBucketResult"));
  }
  S3ListAnswer answer;
  answer.truncated = truncated == "true";
  const bool encoded = std::string_view(root.child_value("EncodingType")) == "url";
  for (const pugi::xml_node& contents : root.children("Contents")) {
    const char* const key = contents.child_value("Key");
    auto decoded = encoded ? percent_decode(key) : std::optional<std::string>(key);
    if (!decoded || decoded->empty()) {
      return fail(malformed("an object has no key"));
    }
    std::string etag = contents.child_value("ETag");
    if (!is_safe_etag(etag)) {
      return fail(malformed("an object has no entity tag"));
    }
    const std::string_view size = contents.child_value("Size");
    std::uint64_t bytes = 0;
    if (!size.empty() && !parse_digits(size, bytes)) {
      return fail(malformed("an object has no size"));
    }
    answer.entries.push_back({.key = *std::move(decoded),
                              .etag = std::move(etag),
                              .bytes = bytes,
                              .written = parse_time(contents.child_value("LastModified"))});
  }
  return answer;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  // YYYY-MM-DDTHH:MM:SS, perhaps a fraction, Z.
  constexpr std::string_view kForm = "0000-00-00T00:00:00";
  if (text.size() <= kForm.size() || text.back() != 'Z') {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != kForm[i]) {
      return std::nullopt;
    }
  }
  const auto part = [&text](std::size_t at, std::size_t size) {
    unsigned value = 0;
    parse_digits(text.substr(at, size), value);
    return value;
  };
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(part(0, 4))),
                                         std::chrono::month(part(5, 2)),
                                         std::chrono::day(part(8, 2))};
  const std::int64_t seconds = part(11, 2) * 3600L + part(14, 2) * 60L + part(17, 2);
  if (!date.ok() || part(11, 2) > 23 || part(14, 2) > 59 || part(17, 2) > 60) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86'400} + seconds;
}

Result<std::vector<S3Upload>> parse_uploads_answer(base::ByteSpan xml) {
  pugi::xml_document document;
  const pugi::xml_node root = parse_root(document, xml, "ListMultipartUploadsResult");
  if (!root) {
    return fail(malformed("no ListMultipartUploadsResult"));
  }
  std::vector<S3Upload> uploads;
  const bool encoded = std::string_view(root.child_value("EncodingType")) == "url";
  for (const pugi::xml_node& node : root.children("Upload")) {
    const char* const key = node.child_value("Key");
    auto decoded = encoded ? percent_decode(key) : std::optional<std::string>(key);
    std::string id = node.child_value("UploadId");
    const auto begun = parse_time(node.child_value("Initiated"));
    if (!decoded || decoded->empty() || id.empty() || id.size() > kUploadIdBytesMax || !begun) {
      return fail(malformed("an upload has no key, number or time"));
    }
    uploads.push_back({.key = *std::move(decoded), .id = std::move(id), .begun = *begun});
  }
  return uploads;
}

Result<std::string> parse_upload_id(base::ByteSpan xml) {
  pugi::xml_document document;
  const pugi::xml_node root = parse_root(document, xml, "InitiateMultipartUploadResult");
  std::string id = root.child_value("UploadId");
  if (id.empty() || id.size() > kUploadIdBytesMax) {
    return fail(malformed("no UploadId"));
  }
  return id;
}

S3ErrorAnswer parse_error_answer(base::ByteSpan xml) {
  pugi::xml_document document;
  const pugi::xml_node root = parse_root(document, xml, "Error");
  return {.code = log::escape(root.child_value("Code"), kTextBytesMax),
          .message = log::escape(root.child_value("Message"), kTextBytesMax)};
}

}  // namespace selvedge::store::internal
