// What proxies, and clients before them, write into requests: nobody but a trusted proxy is
// believed, and what is believed is an address.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "gateway/trusted_proxies.h"

namespace {

using selvedge::gateway::TrustedProxies;

// `value`: of every field. False when no request can have it.
void check(std::string_view value, TrustedProxies::Fields fields) {
  const auto parsed = selvedge::wire::HeaderValue::parse(value);
  if (!parsed.has_value()) {
    return;
  }
  selvedge::wire::HeaderList headers;
  headers.add("x-forwarded-for", *parsed);
  headers.add("x-forwarded-proto", *parsed);
  headers.add("forwarded", *parsed);
  headers.add("host", "a.example");
  const auto request = selvedge::wire::RequestHead::create(selvedge::wire::Method(), "/", headers);
  const std::vector<std::string> entries{"10.0.0.0/8"};
  const auto proxies = TrustedProxies::parse(entries, fields);
  selvedge::app::HttpPeer seen;
  seen.remote_address = "10.0.0.1";
  const auto told = proxies->peer_of(*request, seen);
  const auto address = selvedge::io::IpAddress::parse(told.remote_address);
  SELVEDGE_ASSERT(address.has_value() && address->to_string() == told.remote_address);
  seen.remote_address = "11.0.0.1";
  const auto stranger = proxies->peer_of(*request, seen);
  SELVEDGE_ASSERT(stranger.remote_address == "11.0.0.1" && !stranger.secure &&
                  !stranger.scheme_told);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = selvedge::base::as_text(std::as_bytes(std::span(data, size)));
  check(text, TrustedProxies::Fields::kXForwarded);
  check(text, TrustedProxies::Fields::kForwarded);
  const std::vector<std::string> entries{std::string(text)};
  static_cast<void>(TrustedProxies::parse(entries));
  return 0;
}
