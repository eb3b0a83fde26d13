#include "wire/internal/hop_by_hop.h"

#include <string>

namespace selvedge::wire::internal {

void remove_hop_by_hop(HeaderList& headers) {
  // The fields that Connection names go too, save those that the message needs.
  std::string named;
  for (const Header header : headers) {
    if (header.name == "connection") {
      named.append(header.value.text()).append(",");
    }
  }
  std::string_view rest = named;
  while (!rest.empty()) {
    const auto name = HeaderName::parse(next_list_element(rest));
    if (name && !(*name == "content-length") && !(*name == "content-type")) {
      headers.remove(*name);
    }
  }
  for (const HeaderName name :
       {HeaderName("connection"), HeaderName("keep-alive"), HeaderName("proxy-connection"),
        HeaderName("te"), HeaderName("trailer"), HeaderName("upgrade")}) {
    headers.remove(name);
  }
}

}  // namespace selvedge::wire::internal
