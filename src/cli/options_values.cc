// The values of options: directories, addresses, environment files.

#include <algorithm>
#include <array>

#include "app/manifest.h"
#include "base/format.h"
#include "cli/options.h"

namespace selvedge::cli {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

constexpr std::size_t kShardsMax = 1024;

}  // namespace

Result<std::optional<log::Level>> parse_log_level(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, log::Level>, 5> kLevels{{
      {"debug", log::Level::kDebug},
      {"info", log::Level::kInfo},
      {"warning", log::Level::kWarning},
      {"error", log::Level::kError},
      {"off", log::Level::kOff},
  }};
  if (text.empty()) {
    return std::optional<log::Level>();
  }
  for (const auto& [name, level] : kLevels) {
    if (name == text) {
      return std::optional(level);
    }
  }
  return fail_format(ErrorKind::kInvalid,
                     "--log-level \"{}\": write debug, info, warning, error or off", text);
}

Result<std::size_t> parse_shards(std::size_t count) {
  if (count > kShardsMax) {
    return fail_format(ErrorKind::kInvalid, "--shards {}: at most {}", count, kShardsMax);
  }
  return count;
}

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

Result<node::ListenAddress> parse_listen_address(std::string_view text) {
  auto parsed = node::parse_listen_address(text);
  if (!parsed.has_value()) {
    return fail_format(ErrorKind::kInvalid, "--http {}", parsed.error().message());
  }
  return parsed;
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
