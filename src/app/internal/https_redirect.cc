#include "app/internal/https_redirect.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "app/internal/plain_answer.h"
#include "wire/characters.h"

namespace selvedge::app::internal {
namespace {

// One token of base64url behind the prefix and nothing else.
bool is_acme_challenge(std::string_view path) noexcept {
  constexpr std::string_view kPrefix = "/.well-known/acme-challenge/";
  return path.starts_with(kPrefix) && path.size() > kPrefix.size() &&
         std::ranges::all_of(path.substr(kPrefix.size()), [](char c) {
           return wire::is_digit(c) || wire::is_letter(c) || c == '-' || c == '_';
         });
}

}  // namespace

bool wants_https(const HttpExchange& exchange) noexcept {
  const HttpPeer& peer = exchange.peer();
  return peer.scheme_told && !peer.secure && !is_acme_challenge(exchange.request().target().path());
}

io::Task<> redirect_to_https(HttpExchange& exchange) {
  const wire::RequestHead& request = exchange.request();
  std::string location("https://");
  location.append(request.host()).append(request.target().path());
  if (request.target().has_query()) {
    location.append("?").append(request.target().query());
  }
  auto value = wire::HeaderValue::parse(location);
  if (!value.has_value()) {
    return io::Task<>::ready(fail(std::move(value).error()));
  }
  return answer_with_location(exchange, wire::StatusCode(308), *value,
                              "This app is served over HTTPS.");
}

}  // namespace selvedge::app::internal
