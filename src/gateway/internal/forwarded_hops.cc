#include "gateway/internal/forwarded_hops.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "wire/characters.h"

namespace selvedge::gateway::internal {
namespace {

// Longer than any address with a port.
constexpr std::size_t kAddressBytesMax = 64;

std::optional<std::uint16_t> parse_port(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return port;
}

// Some proxies tell the scheme of a WebSocket's URL.
std::optional<bool> is_secure(std::string_view scheme) noexcept {
  if (wire::equals_ignoring_case(scheme, "https") || wire::equals_ignoring_case(scheme, "wss")) {
    return true;
  }
  if (wire::equals_ignoring_case(scheme, "http") || wire::equals_ignoring_case(scheme, "ws")) {
    return false;
  }
  return std::nullopt;
}

// The fields of one name, the last one first.
std::vector<std::string_view> values_from_the_last(const wire::HeaderList& headers,
                                                   std::string_view name) {
  std::vector<std::string_view> values;
  for (const wire::Header field : headers) {
    if (wire::equals_ignoring_case(field.name.text(), name)) {
      values.push_back(field.value.text());
    }
  }
  std::ranges::reverse(values);
  return values;
}

// Calls `take` with the items of comma-separated lists, the last one first, until it is false.
template <class Take>
void for_items_from_the_last(const wire::HeaderList& headers, std::string_view name, Take take) {
  for (std::string_view rest : values_from_the_last(headers, name)) {
    for (;;) {
      const std::size_t comma = rest.rfind(',');
      const std::size_t begin = comma == std::string_view::npos ? 0 : comma + 1;
      if (!take(wire::trim_optional_whitespace(rest.substr(begin)))) {
        return;
      }
      if (comma == std::string_view::npos) {
        break;
      }
      rest = rest.substr(0, comma);
    }
  }
}

// One element of Forwarded, as far as it concerns us.
struct Element {
  std::optional<ForwardedHop> address;
  std::optional<bool> secure;
};

// The elements of one field, in its order. Quotes may hold commas, so it is read from the front.
class ForwardedReader {
 public:
  explicit ForwardedReader(std::string_view text) noexcept : rest_(text) {}

  // nullopt: malformed anywhere.
  std::optional<std::vector<Element>> read() {
    std::vector<Element> elements;
    do {
      auto element = read_element();
      if (!element.has_value()) {
        return std::nullopt;
      }
      elements.push_back(*std::move(element));
    } while (skip(','));
    return rest_.empty() ? std::optional(std::move(elements)) : std::nullopt;
  }

 private:
  std::optional<Element> read_element() {
    Element element;
    bool has_address = false;
    bool has_scheme = false;
    do {
      skip_blanks();
      if (rest_.empty() || rest_.front() == ',' || rest_.front() == ';') {
        continue;  // the grammar lets parameters be left out
      }
      const std::string_view name = token();
      if (name.empty() || !skip('=')) {
        return std::nullopt;
      }
      auto value = read_value();
      if (!value.has_value()) {
        return std::nullopt;
      }
      // RFC 7239 section 4: each parameter once.
      if (wire::equals_ignoring_case(name, "for")) {
        if (std::exchange(has_address, true)) {
          return std::nullopt;
        }
        element.address = parse_forwarded_hop(*value);
      } else if (wire::equals_ignoring_case(name, "proto")) {
        if (std::exchange(has_scheme, true)) {
          return std::nullopt;
        }
        element.secure = is_secure(*value);
      }
      skip_blanks();
    } while (skip(';'));
    return element;
  }

  // A token, which proxies let be an address without quotes too, or a quoted string.
  std::optional<std::string> read_value() {
    if (!skip('"')) {
      const std::size_t size = std::min(rest_.find_first_of(" \t,;\""), rest_.size());
      std::string value(rest_.substr(0, size));
      rest_.remove_prefix(size);
      return value.empty() ? std::nullopt : std::optional(std::move(value));
    }
    std::string value;
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\') {
        rest_.remove_prefix(1);
        if (rest_.empty()) {
          return std::nullopt;
        }
      }
      value += rest_.front();
      rest_.remove_prefix(1);
    }
    return skip('"') ? std::optional(std::move(value)) : std::nullopt;
  }

  std::string_view token() {
    const auto end = std::ranges::find_if_not(rest_, wire::is_token_character);
    const std::string_view found = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(found.size());
    return found;
  }
  void skip_blanks() noexcept {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) {
      rest_.remove_prefix(1);
    }
  }
  bool skip(char expected) noexcept {
    if (rest_.empty() || rest_.front() != expected) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<bool> ForwardedHops::secure_at(std::size_t index) const noexcept {
  return schemes.empty() ? std::nullopt : schemes[std::min(index, schemes.size() - 1)];
}

ForwardedHops hops_of_x_forwarded(const wire::HeaderList& headers, std::size_t hops_max) {
  ForwardedHops hops;
  for_items_from_the_last(headers, "x-forwarded-for", [&](std::string_view item) {
    hops.addresses.push_back(parse_forwarded_hop(item));
    return hops.addresses.back().has_value() && hops.addresses.size() < hops_max;
  });
  for_items_from_the_last(headers, "x-forwarded-proto", [&](std::string_view item) {
    hops.schemes.push_back(is_secure(item));
    return hops.schemes.size() < hops_max;
  });
  return hops;
}

ForwardedHops hops_of_forwarded(const wire::HeaderList& headers, std::size_t hops_max) {
  ForwardedHops hops;
  for (const std::string_view value : values_from_the_last(headers, "forwarded")) {
    const auto elements = ForwardedReader(value).read();
    if (!elements.has_value()) {
      return hops;
    }
    for (auto element = elements->rbegin(); element != elements->rend(); ++element) {
      if (hops.addresses.size() == hops_max) {
        return hops;
      }
      hops.addresses.push_back(element->address);
      hops.schemes.push_back(element->secure);
    }
  }
  return hops;
}

std::optional<ForwardedHop> parse_forwarded_hop(std::string_view text) {
  if (text.size() > kAddressBytesMax) {
    return std::nullopt;
  }
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    host = text.substr(1, end - 1);
    if (const std::string_view rest = text.substr(end + 1); rest.starts_with(':')) {
      port = rest.substr(1);
    } else if (!rest.empty()) {
      return std::nullopt;
    }
  } else if (std::ranges::count(text, ':') == 1) {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  const auto address = io::IpAddress::parse(host);
  if (!address.has_value() || (text.starts_with('[') && address->is_v4())) {
    return std::nullopt;
  }
  ForwardedHop hop{.address = unmapped(*address)};
  if (port.has_value()) {
    const auto number = parse_port(*port);
    // RFC 7239 section 6.3: a port may be hidden too.
    if (!number.has_value() && !port->starts_with('_')) {
      return std::nullopt;
    }
    hop.port = number.value_or(0);
  }
  return hop;
}

io::IpAddress unmapped(const io::IpAddress& address) noexcept {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const auto bytes = address.bytes();
  if (!address.is_v6() || !std::ranges::equal(bytes.first(kMapped.size()), kMapped)) {
    return address;
  }
  return io::IpAddress::v4({bytes[12], bytes[13], bytes[14], bytes[15]});
}

}  // namespace selvedge::gateway::internal
