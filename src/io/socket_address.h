#pragma once

// Where a socket is: an IPv4 or IPv6 address with a port, or the path of a unix socket. A value;
// parsing is the only way to make one from text, so one that exists is well-formed.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace selvedge::io {

class IpAddress {
 public:
  using V4Bytes = std::array<std::uint8_t, 4>;
  using V6Bytes = std::array<std::uint8_t, 16>;

  // 0.0.0.0
  constexpr IpAddress() noexcept = default;
  static constexpr IpAddress v4(V4Bytes bytes) noexcept {
    IpAddress address;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      address.bytes_[i] = bytes[i];
    }
    return address;
  }
  static constexpr IpAddress v6(V6Bytes bytes) noexcept {
    IpAddress address;
    address.bytes_ = bytes;
    address.is_v6_ = true;
    return address;
  }
  static constexpr IpAddress any_v4() noexcept { return v4({0, 0, 0, 0}); }
  static constexpr IpAddress any_v6() noexcept { return v6({}); }
  static constexpr IpAddress loopback_v4() noexcept { return v4({127, 0, 0, 1}); }
  static constexpr IpAddress loopback_v6() noexcept {
    return v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  }
  // "192.0.2.1", "2001:db8::1" (RFC 4291 section 2.2); no brackets, no zone. kInvalid.
  static Result<IpAddress> parse(std::string_view text);

  constexpr bool is_v4() const noexcept { return !is_v6_; }
  constexpr bool is_v6() const noexcept { return is_v6_; }
  bool is_any() const noexcept;
  // 127.0.0.0/8 or ::1.
  bool is_loopback() const noexcept;
  // The 4 or 16 bytes, in network order.
  constexpr std::span<const std::uint8_t> bytes() const noexcept [[clang::lifetimebound]] {
    return std::span(bytes_).first(is_v6_ ? 16 : 4);
  }
  // Canonical text (RFC 5952 for IPv6).
  std::string to_string() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) noexcept = default;

 private:
  V6Bytes bytes_{};
  bool is_v6_ = false;
};

class SocketAddress {
 public:
  // sun_path without its final zero byte.
  static constexpr std::size_t kUnixPathBytesMax = 107;

  enum class Family : std::uint8_t { kIpV4, kIpV6, kUnix };

  // 0.0.0.0:0
  SocketAddress() noexcept = default;
  SocketAddress(IpAddress ip, std::uint16_t port, std::uint32_t scope_id = 0) noexcept
      : ip_(ip), port_(port), scope_id_(scope_id) {}
  // `path`: absolute or relative; an initial '@' names the abstract name space; empty is an unnamed
  // socket. kInvalid when it is longer than kUnixPathBytesMax or holds a zero byte.
  static Result<SocketAddress> unix_path(std::string_view path);

  // "192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%2]:80" (zone by interface number), "unix:PATH",
  // ":80" (0.0.0.0) and "80" (0.0.0.0). kInvalid with a sentence for the user.
  static Result<SocketAddress> parse(std::string_view text);

  Family family() const noexcept {
    return is_unix_ ? Family::kUnix : ip_.is_v6() ? Family::kIpV6 : Family::kIpV4;
  }
  bool is_unix() const noexcept { return is_unix_; }
  // Meaningful unless is_unix().
  const IpAddress& ip() const noexcept [[clang::lifetimebound]] { return ip_; }
  std::uint16_t port() const noexcept { return port_; }
  std::uint32_t scope_id() const noexcept { return scope_id_; }
  // Meaningful when is_unix().
  const std::string& path() const noexcept [[clang::lifetimebound]] { return path_; }

  // What parse() accepts.
  std::string to_string() const;

  friend auto operator<=>(const SocketAddress&, const SocketAddress&) noexcept = default;

 private:
  IpAddress ip_;
  std::uint16_t port_ = 0;
  bool is_unix_ = false;
  std::uint32_t scope_id_ = 0;
  std::string path_;
};

}  // namespace selvedge::io
