#include "node/admin_scope.h"

#include <algorithm>
#include <array>

#include "base/format.h"

namespace selvedge::node {
namespace {

using Kind = wire::Method::Kind;
using enum TokenScope;

// In the order of docs/admin-api.yaml.
constexpr std::array kRoutes{
    AdminRoute{Kind::kGet, "/v1/node", kRead, false},
    AdminRoute{Kind::kGet, "/v1/metrics", kRead, false, true},
    AdminRoute{Kind::kPost, "/v1/blobs/missing", kDeploy, false},
    AdminRoute{Kind::kPut, "/v1/blobs/{hash}", kDeploy},
    AdminRoute{Kind::kGet, "/v1/blobs/{hash}", kDeploy, false},
    AdminRoute{Kind::kPost, "/v1/store/collect", kAdmin},
    AdminRoute{Kind::kGet, "/v1/packages", kRead, false},
    AdminRoute{Kind::kPost, "/v1/packages", kDeploy},
    AdminRoute{Kind::kPost, "/v1/packages/find", kRead, false},
    AdminRoute{Kind::kPost, "/v1/packages/link", kDeploy, false},
    AdminRoute{Kind::kGet, "/v1/packages/{owner}/{name}", kRead, false},
    AdminRoute{Kind::kGet, "/v1/apps", kRead, false},
    AdminRoute{Kind::kGet, "/v1/apps/{app}", kRead, false},
    AdminRoute{Kind::kDelete, "/v1/apps/{app}", kAdmin},
    AdminRoute{Kind::kPost, "/v1/apps/{app}/versions", kDeploy},
    AdminRoute{Kind::kPut, "/v1/apps/{app}/active", kDeploy},
    AdminRoute{Kind::kGet, "/v1/apps/{app}/logs", kRead, false},
    AdminRoute{Kind::kGet, "/v1/apps/{app}/secrets", kDeploy, false},
    AdminRoute{Kind::kPut, "/v1/apps/{app}/secrets", kDeploy},
    AdminRoute{Kind::kDelete, "/v1/apps/{app}/secrets/{secret}", kDeploy},
    AdminRoute{Kind::kGet, "/v1/apps/{app}/jobs", kRead, false},
    AdminRoute{Kind::kPost, "/v1/apps/{app}/jobs/{job}/runs", kDeploy},
    AdminRoute{Kind::kGet, "/v1/tokens", kAdmin, false},
    AdminRoute{Kind::kPost, "/v1/tokens", kAdmin},
    AdminRoute{Kind::kDelete, "/v1/tokens/{token}", kAdmin},
    AdminRoute{Kind::kGet, "/v1/audit", kAdmin, false},
};

// The first segment, without its slash; takes it from `path`, which begins with one.
std::string_view take_segment(std::string_view& path) {
  const std::size_t end = path.find('/', 1);
  const std::string_view segment = path.substr(1, end == std::string_view::npos ? end : end - 1);
  path = end == std::string_view::npos ? std::string_view() : path.substr(end);
  return segment;
}

bool matches(std::string_view pattern, std::string_view path, RouteMatch& match) {
  while (pattern.starts_with('/') && path.starts_with('/')) {
    const std::string_view wanted = take_segment(pattern);
    const std::string_view given = take_segment(path);
    if (given.empty() || (!wanted.starts_with('{') && wanted != given)) {
      return false;
    }
    if (wanted == "{app}") {
      match.app = given;
    } else if (wanted == "{owner}") {
      match.owner = given;
    }
  }
  return pattern.empty() && path.empty();
}

std::string list_of(const std::vector<std::string>& apps) {
  constexpr std::size_t kNamedMax = 5;
  std::string text;
  for (std::size_t i = 0; i < apps.size(); ++i) {
    if (i == kNamedMax) {
      return text + ", …";
    }
    text += (i == 0 ? "" : ", ") + apps[i];
  }
  return text;
}

}  // namespace

std::span<const AdminRoute> admin_routes() noexcept { return kRoutes; }

RouteMatch match_route(Kind method, std::string_view path) noexcept {
  for (const AdminRoute& route : kRoutes) {
    RouteMatch match{.route = &route};
    if (route.method == method && matches(route.path, path, match)) {
      return match;
    }
  }
  return {};
}

bool AdminCaller::may_use(std::string_view app) const {
  return local || !token.has_value() || (token->apps.empty() && token->owner.empty()) ||
         std::ranges::find(token->apps, app) != token->apps.end();
}

bool AdminCaller::may_use_all() const {
  return local || !token.has_value() || (token->apps.empty() && token->owner.empty());
}

std::string_view AdminCaller::owner() const noexcept {
  return token.has_value() ? std::string_view(token->owner) : std::string_view();
}

Result<> authorize(const AdminCaller& caller, const RouteMatch& match) {
  if (caller.local) {
    return {};
  }
  if (!caller.token.has_value()) {
    return fail(ErrorKind::kDenied, "this needs a token");
  }
  const TokenRecord& token = *caller.token;
  const TokenScope needed = match.route == nullptr ? kAdmin : match.route->scope;
  if (token.scope < needed) {
    return fail_format(ErrorKind::kDenied,
                       "the token {} is of scope {}, and this takes one of scope {}", token.id,
                       to_string(token.scope), to_string(needed));
  }
  if (!match.app.empty() && token.owner.empty() && !caller.may_use(match.app)) {
    return fail_format(ErrorKind::kDenied, "the token {} is for other apps only: {}", token.id,
                       list_of(token.apps));
  }
  if (match.route != nullptr && match.route->tells_all_apps &&
      !(token.apps.empty() && token.owner.empty())) {
    return fail_format(ErrorKind::kDenied, "the token {} is for some apps, and this tells of all",
                       token.id);
  }
  // Packages are there for others to use: only changing them is their owner's.
  return needed == kRead || match.owner.empty() ? Result<>() : authorize_owner(caller, match.owner);
}

Result<> authorize_owner(const AdminCaller& caller, std::string_view owner) {
  if (caller.local || !caller.token.has_value()) {
    return caller.local ? Result<>() : fail(ErrorKind::kDenied, "this needs a token");
  }
  const TokenRecord& token = *caller.token;
  if (token.owner.empty() && !token.apps.empty()) {
    return fail_format(ErrorKind::kDenied, "the token {} is for apps only: {}", token.id,
                       list_of(token.apps));
  }
  if (!token.owner.empty() && token.owner != owner) {
    return fail_format(ErrorKind::kDenied, "the token {} is for packages of {} only", token.id,
                       token.owner);
  }
  return {};
}

}  // namespace selvedge::node
