// The values of options: directories, addresses, sizes, durations.

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "app/manifest.h"
#include "base/format.h"
#include "cli/options.h"

namespace selvedge::cli {
namespace {

// Leading digits of `text`; nullopt without any, or when they do not fit. Shortens `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<std::uint64_t> multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

template <std::size_t N>
std::optional<std::uint64_t> parse_with_unit(std::string_view text,
                                             const std::array<Unit, N>& units) {
  const auto number = take_number(text);
  const auto unit = std::ranges::find(units, text, &Unit::name);
  if (!number.has_value() || unit == units.end()) {
    return std::nullopt;
  }
  return multiply(*number, unit->factor);
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

Result<DirectoryMount> parse_directory(std::string_view text) {
  constexpr std::string_view kReadOnly = ":ro";
  const std::string_view original = text;
  DirectoryMount mount;
  if (text.ends_with(kReadOnly)) {
    mount.read_only = true;
    text.remove_suffix(kReadOnly.size());
  }
  const std::size_t separator = text.find("::");
  mount.host = text.substr(0, separator);
  if (mount.host.empty() || mount.host.find('\0') != std::string::npos) {
    return fail_format(ErrorKind::kInvalid,
                       "--dir \"{}\" names no folder: write HOST::GUEST, for example "
                       "--dir ./data::/data",
                       original);
  }
  const std::string guest = separator != std::string_view::npos
                                ? std::string(text.substr(separator + 2))
                            : mount.host.starts_with('/') ? mount.host
                                                          : "/" + mount.host;
  auto normalised = app::normalise_guest_path(guest);
  if (!normalised.has_value()) {
    return fail_format(ErrorKind::kInvalid, "--dir \"{}\": {}; write HOST::GUEST", original,
                       normalised.error().message());
  }
  mount.guest = *std::move(normalised);
  return mount;
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto wrong = [&] {
    return fail_format(ErrorKind::kInvalid,
                       "--http \"{}\" is not an address: write 8080, :8080, 127.0.0.1:8080 or "
                       "[::1]:8080",
                       text);
  };
  constexpr std::string_view kLocalhost = "localhost:";
  std::string address(text);
  if (is_port(text)) {
    address = "127.0.0.1:" + address;
  } else if (text.starts_with(kLocalhost)) {
    address = "127.0.0.1:" + address.substr(kLocalhost.size());
  }
  auto parsed = io::SocketAddress::parse(address);
  if (!parsed.has_value() || parsed->is_unix()) {
    return wrong();
  }
  return ListenAddress{.address = *std::move(parsed), .every_interface = text.starts_with(':')};
}

Result<io::SocketAddress> parse_dns_server(std::string_view text) {
  constexpr std::uint16_t kDnsPort = 53;
  if (const auto ip = io::IpAddress::parse(text)) {
    return io::SocketAddress(*ip, kDnsPort);
  }
  const auto address = io::SocketAddress::parse(text);
  if (!address || address->is_unix() || address->ip().is_any() || address->port() == 0) {
    return fail_format(ErrorKind::kInvalid,
                       "--dns \"{}\" is no address: write 192.0.2.1, 192.0.2.1:5353 or "
                       "[2001:db8::1]:5353",
                       text);
  }
  return *address;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::uint64_t kKibi = 1024;
  static constexpr std::array<Unit, 11> kUnits{
      Unit{"", 1},
      Unit{"B", 1},
      Unit{"K", kKibi},
      Unit{"KiB", kKibi},
      Unit{"KB", 1000},
      Unit{"M", kKibi * kKibi},
      Unit{"MiB", kKibi * kKibi},
      Unit{"MB", 1'000'000},
      Unit{"G", kKibi * kKibi * kKibi},
      Unit{"GiB", kKibi * kKibi * kKibi},
      Unit{"GB", 1'000'000'000},
  };
  const auto value = parse_with_unit(text, kUnits);
  if (!value.has_value()) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" is not a size: write for example 64MiB", text);
  }
  return *value;
}

Result<base::Duration> parse_duration(std::string_view text) {
  static constexpr std::array<Unit, 4> kUnits{
      Unit{"ms", 1},
      Unit{"s", 1000},
      Unit{"m", 60'000},
      Unit{"h", 3'600'000},
  };
  const auto milliseconds = parse_with_unit(text, kUnits);
  if (!milliseconds.has_value() || *milliseconds == 0) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not a duration: write for example 500ms, 30s or 5m", text);
  }
  constexpr auto kMillisecondsMax = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(kDurationMax).count());
  if (*milliseconds > kMillisecondsMax) {
    return fail_format(ErrorKind::kInvalid, "the duration \"{}\" is longer than a year", text);
  }
  return std::chrono::milliseconds(*milliseconds);
}

Result<std::vector<std::pair<std::string, std::string>>> parse_environment_file(
    std::string_view text, std::string_view file_name) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line.front() == '#') {
      continue;
    }
    auto entry = app::parse_environment_entry(line);
    if (!entry.has_value()) {
      return fail_format(ErrorKind::kInvalid, "{}:{}: {}", file_name, line_number,
                         entry.error().message());
    }
    std::string& value = entry->second;
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace selvedge::cli
