#include "io/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/format.h"

namespace selvedge::io {
namespace {

// Longer than any address that inet_pton accepts.
constexpr std::size_t kIpTextBytesMax = 64;

template <class Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

Result<std::uint16_t> parse_port(std::string_view text) {
  if (const std::optional<std::uint16_t> port = parse_number<std::uint16_t>(text)) {
    return *port;
  }
  return fail_format(ErrorKind::kInvalid, "'{}' is not a port number (0 to 65535)", text);
}

Result<SocketAddress> parse_bracketed(std::string_view text) {
  const std::size_t end = text.find(']');
  if (end == std::string_view::npos || text.substr(end + 1, 1) != ":") {
    return fail_format(ErrorKind::kInvalid, "'{}' is not an address of the form [IPV6]:PORT", text);
  }
  std::string_view inner = text.substr(1, end - 1);
  std::uint32_t scope_id = 0;
  if (const std::size_t percent = inner.find('%'); percent != std::string_view::npos) {
    const auto zone = parse_number<std::uint32_t>(inner.substr(percent + 1));
    if (!zone) {
      return fail_format(ErrorKind::kInvalid, "the zone in '{}' is not an interface number", text);
    }
    scope_id = *zone;
    inner = inner.substr(0, percent);
  }
  SELVEDGE_TRY(const IpAddress ip, IpAddress::parse(inner));
  if (!ip.is_v6()) {
    return fail_format(ErrorKind::kInvalid, "only IPv6 addresses stand in brackets, not '{}'",
                       inner);
  }
  SELVEDGE_TRY(const std::uint16_t port, parse_port(text.substr(end + 2)));
  return SocketAddress(ip, port, scope_id);
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, kIpTextBytesMax> buffer{};
  if (text.size() < buffer.size() && text.find('\0') == std::string_view::npos) {
    std::ranges::copy(text, buffer.begin());
    V4Bytes v4_bytes{};
    if (::inet_pton(AF_INET, buffer.data(), v4_bytes.data()) == 1) {
      return v4(v4_bytes);
    }
    V6Bytes v6_bytes{};
    if (::inet_pton(AF_INET6, buffer.data(), v6_bytes.data()) == 1) {
      return v6(v6_bytes);
    }
  }
  return fail_format(ErrorKind::kInvalid, "'{}' is not an IP address", text.substr(0, 100));
}

bool IpAddress::is_any() const noexcept {
  return std::ranges::all_of(bytes_, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const noexcept {
  return is_v6_ ? *this == loopback_v6() : bytes_[0] == 127;
}

std::string IpAddress::to_string() const {
  std::array<char, kIpTextBytesMax> buffer{};
  ::inet_ntop(is_v6_ ? AF_INET6 : AF_INET, bytes_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

Result<SocketAddress> SocketAddress::unix_path(std::string_view path) {
  if (path.size() > kUnixPathBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the socket's path is longer than {} bytes",
                       kUnixPathBytesMax);
  }
  if (path.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::kInvalid, "the socket's path holds a zero byte");
  }
  SocketAddress address;
  address.is_unix_ = true;
  address.path_ = path;
  return address;
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  constexpr std::string_view kUnixPrefix = "unix:";
  if (text.starts_with(kUnixPrefix)) {
    return unix_path(text.substr(kUnixPrefix.size()));
  }
  if (text.starts_with('[')) {
    return parse_bracketed(text);
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    SELVEDGE_TRY(const std::uint16_t port, parse_port(text));
    return SocketAddress(IpAddress::any_v4(), port);
  }
  if (text.find(':', colon + 1) != std::string_view::npos) {
    return fail_format(ErrorKind::kInvalid,
                       "'{}' is ambiguous: an IPv6 address stands in brackets before its port",
                       text.substr(0, 100));
  }
  IpAddress ip = IpAddress::any_v4();
  if (colon != 0) {
    SELVEDGE_TRY(ip, IpAddress::parse(text.substr(0, colon)));
  }
  SELVEDGE_TRY(const std::uint16_t port, parse_port(text.substr(colon + 1)));
  return SocketAddress(ip, port);
}

std::string SocketAddress::to_string() const {
  switch (family()) {
    case Family::kUnix:
      return "unix:" + path_;
    case Family::kIpV4:
      return fmt::format("{}:{}", ip_.to_string(), port_);
    case Family::kIpV6:
      return scope_id_ == 0 ? fmt::format("[{}]:{}", ip_.to_string(), port_)
                            : fmt::format("[{}%{}]:{}", ip_.to_string(), scope_id_, port_);
  }
  return {};
}

}  // namespace selvedge::io
