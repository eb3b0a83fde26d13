#include "store/internal/s3_signature.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>

#include "base/bytes.h"
#include "base/format.h"
#include "crypto/hmac_sha256.h"
#include "crypto/sha256.h"

namespace selvedge::store::internal {
namespace {

using Hash = std::array<std::byte, 32>;

std::string hex(const Hash& hash) {
  std::string text;
  for (const std::byte byte : hash) {
    fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

Hash hmac(base::ByteSpan key, std::string_view text) {
  return crypto::hmac_sha256(key, base::as_bytes(text));
}

// "20130524T000000Z".
std::string iso_time(base::WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const auto days = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss time(seconds - days);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

bool is_unreserved(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string signature(std::string_view text, std::string_view date, std::string_view region,
                      std::string_view secret) {
  const std::string first = fmt::format("AWS4{}", secret);
  Hash key = hmac(base::as_bytes(first), date);
  for (const std::string_view step :
       {region, std::string_view("s3"), std::string_view("aws4_request"), text}) {
    key = hmac(key, step);
  }
  return hex(key);
}

}  // namespace

std::string sha256_hex(std::string_view text) {
  const base::ByteSpan bytes = base::as_bytes(text);
  return hex(crypto::sha256(std::span(&bytes, 1)));
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string canonical_query(const NameValues& query) {
  std::vector<std::string> parts;
  parts.reserve(query.size());
  for (const auto& [name, value] : query) {
    parts.push_back(
        fmt::format("{}={}", percent_encode(name, false), percent_encode(value, false)));
  }
  std::ranges::sort(parts);
  return fmt::format("{}", fmt::join(parts, "&"));
}

NameValues sign_request(const SigningInput& input, const S3Credentials& credentials) {
  const std::string time = iso_time(input.now);
  const std::string_view date = std::string_view(time).substr(0, 8);
  NameValues headers = input.headers;
  headers.emplace_back("host", input.host);
  headers.emplace_back("x-amz-content-sha256", input.content_hash);
  headers.emplace_back("x-amz-date", time);
  if (!credentials.session_token.empty()) {
    headers.emplace_back("x-amz-security-token", credentials.session_token);
  }
  std::ranges::sort(headers);
  std::string lines;
  std::string names;
  for (const auto& [name, value] : headers) {
    fmt::format_to(std::back_inserter(lines), "{}:{}\n", name, value);
    fmt::format_to(std::back_inserter(names), "{}{}", names.empty() ? "" : ";", name);
  }
  const std::string request = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", input.method, input.path,
                                          input.query, lines, names, input.content_hash);
  const std::string scope = fmt::format("{}/{}/s3/aws4_request", date, input.region);
  const std::string text =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope, sha256_hex(request));
  headers.emplace_back(
      "authorization",
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}",
                  credentials.access_key, scope, names,
                  signature(text, date, input.region, credentials.secret_key)));
  return headers;
}

}  // namespace selvedge::store::internal
