#include "wire/header.h"

#include <array>
#include <charconv>

#include "base/narrow.h"

namespace selvedge::wire {

Result<HeaderName> HeaderName::parse(std::string_view text) {
  if (text.size() > kBytesMax) {
    return fail(ErrorKind::kInvalid, "a header name is longer than 256 bytes");
  }
  if (!is_token(text)) {
    return fail(ErrorKind::kInvalid,
                "a header name is empty or has a character that is not a token character");
  }
  return HeaderName(Trusted{}, text);
}

Result<HeaderValue> HeaderValue::parse(std::string_view text) {
  const std::string_view trimmed = trim_optional_whitespace(text);
  if (!is_field_content(trimmed)) {
    return fail(ErrorKind::kInvalid, "a header value has a control character");
  }
  return HeaderValue(Trusted{}, trimmed);
}

void HeaderList::add(HeaderName name, HeaderValue value) {
  Entry entry{};
  entry.name_offset = base::narrow<std::uint32_t>(bytes_.size());
  entry.name_size = base::narrow<std::uint16_t>(name.text().size());
  entry.value_offset = entry.name_offset + entry.name_size;
  entry.value_size = base::narrow<std::uint32_t>(value.text().size());
  bytes_.append(name.text());
  bytes_.append(value.text());
  entries_.push_back(entry);
}

void HeaderList::add_number(HeaderName name, std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  add(name, HeaderValue(HeaderValue::Trusted{}, std::string_view(digits.data(), end)));
}

void HeaderList::set(HeaderName name, HeaderValue value) {
  remove(name);
  add(name, value);
}

std::size_t HeaderList::remove(HeaderName name) {
  // The bytes of removed fields stay until clear(): lists live for one message.
  return std::erase_if(entries_, [this, name](const Entry& entry) {
    return equals_ignoring_case(std::string_view(bytes_).substr(entry.name_offset, entry.name_size),
                                name.text());
  });
}

void HeaderList::clear() noexcept {
  bytes_.clear();
  entries_.clear();
}

std::optional<std::string_view> HeaderList::find(HeaderName name) const noexcept {
  for (const Header header : *this) {
    if (header.name == name) {
      return header.value.text();
    }
  }
  return std::nullopt;
}

std::size_t HeaderList::count(HeaderName name) const noexcept {
  std::size_t found = 0;
  for (const Header header : *this) {
    found += header.name == name ? 1 : 0;
  }
  return found;
}

Header HeaderList::operator[](std::size_t index) const noexcept {
  const Entry& entry = entries_[index];
  const std::string_view bytes = bytes_;
  return {HeaderName(HeaderName::Trusted{}, bytes.substr(entry.name_offset, entry.name_size)),
          HeaderValue(HeaderValue::Trusted{}, bytes.substr(entry.value_offset, entry.value_size))};
}

HeaderList::Iterator HeaderList::begin() const noexcept { return {*this, 0}; }
HeaderList::Iterator HeaderList::end() const noexcept { return {*this, entries_.size()}; }

bool is_hop_by_hop(HeaderName name) noexcept {
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" ||
         name == "te" || name == "trailer" || name == "transfer-encoding" || name == "upgrade";
}

}  // namespace selvedge::wire
