#include "wire/internal/hop_by_hop.h"

#include <algorithm>
#include <array>
#include <utility>

#include "wire/characters.h"

namespace selvedge::wire::internal {

HopByHop::HopByHop(const HeaderList& headers) {
  for (const Header header : headers) {
    std::string_view rest = header.name == "connection" ? header.value.text() : "";
    while (!rest.empty()) {
      // The message needs these, whatever Connection says.
      const std::string_view option = next_list_element(rest);
      if (!equals_ignoring_case(option, "content-length") &&
          !equals_ignoring_case(option, "content-type")) {
        named_.push_back(option);
      }
    }
  }
}

bool HopByHop::contains(HeaderName name) const noexcept {
  static constexpr std::array<std::string_view, 6> kNames{
      "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"};
  const auto is_name = [name](std::string_view text) {
    return equals_ignoring_case(text, name.text());
  };
  return std::ranges::any_of(kNames, is_name) || std::ranges::any_of(named_, is_name);
}

void remove_hop_by_hop(HeaderList& headers) {
  const HopByHop hop_by_hop(headers);
  HeaderList kept;
  for (const Header header : headers) {
    if (!hop_by_hop.contains(header.name)) {
      kept.add(header.name, header.value);
    }
  }
  headers = std::move(kept);
}

}  // namespace selvedge::wire::internal
