#include "store/internal/s3_xml.h"

#include <pugixml.hpp>

#include <algorithm>
#include <charconv>
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
    answer.entries.push_back({.key = *std::move(decoded), .etag = std::move(etag)});
  }
  return answer;
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
