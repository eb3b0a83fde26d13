#include "cli/node_address.h"

#include <algorithm>
#include <cstdint>

#include "base/format.h"

namespace selvedge::cli {
namespace {

constexpr std::string_view kHttps = "https://";
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHash = "sha256:";
constexpr std::size_t kHashDigits = 64;

std::optional<unsigned> digit_of(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return std::nullopt;
}

// Of 64 hexadecimal digits.
std::optional<std::string> hex_to_base64(std::string_view hex) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (hex.size() != kHashDigits) {
    return std::nullopt;
  }
  std::string made;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : hex) {
    const auto digit = digit_of(c);
    if (!digit.has_value()) {
      return std::nullopt;
    }
    bits = (bits << 4 | *digit) & 0xffffU;
    count += 4;
    if (count >= 6) {
      count -= 6;
      made += kAlphabet[bits >> count & 63U];
    }
  }
  made += kAlphabet[bits << (6 - count) & 63U];
  return made + '=';
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "host", "host:port", "[::1]:port": with a port.
std::optional<std::string> complete_authority(std::string_view text) {
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = text.substr(0, colon);
  if (host.empty() || host.find_first_of("/?#@\\ \t\"<>") != std::string_view::npos ||
      (host.front() == '[') != (bracket != std::string_view::npos)) {
    return std::nullopt;
  }
  if (colon == std::string_view::npos) {
    return fmt::format("{}:{}", host, kNodePortDefault);
  }
  return is_port(text.substr(colon + 1)) ? std::optional<std::string>(text) : std::nullopt;
}

}  // namespace

Result<NodeAddress> parse_node_address(std::string_view text) {
  if (text.starts_with(kHttp)) {
    return fail_format(ErrorKind::kUnsupported,
                       "{}: a node is reached over TLS only: write https://", text);
  }
  if (!text.starts_with(kHttps)) {
    return NodeAddress{.socket = std::filesystem::path(text)};
  }
  std::string_view authority = text.substr(kHttps.size());
  NodeAddress made;
  if (const std::size_t hash = authority.find('#'); hash != std::string_view::npos) {
    const std::string_view fingerprint = authority.substr(hash + 1);
    const auto key = fingerprint.starts_with(kHash)
                         ? hex_to_base64(fingerprint.substr(kHash.size()))
                         : std::nullopt;
    if (!key.has_value()) {
      return fail_format(ErrorKind::kInvalid,
                         "\"{}\" is not a fingerprint: sha256: and 64 hexadecimal digits, as the "
                         "node prints it",
                         fingerprint);
    }
    made.pinned_key = "sha256//" + *key;
    authority = authority.substr(0, hash);
  }
  if (authority.ends_with('/')) {
    authority.remove_suffix(1);
  }
  const auto complete = complete_authority(authority);
  if (!complete.has_value()) {
    return fail_format(ErrorKind::kInvalid,
                       "{}: write https://HOST:PORT, and #sha256:FINGERPRINT after it", text);
  }
  made.url = std::string(kHttps) + *complete;
  return made;
}

}  // namespace selvedge::cli
