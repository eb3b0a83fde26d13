#pragma once

// Who may do what with the admin API: one table of all its operations. What is not in it is for
// admins only; a test compares it with docs/admin-api.yaml.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/stream.h"
#include "node/admin_token.h"
#include "wire/http_message.h"

namespace selvedge::node {

// One operation. In the path, "{app}" is a name that a token may be limited to, "{owner}" likewise,
// "{…}" anything else.
struct AdminRoute {
  wire::Method::Kind method;
  std::string_view path;
  TokenScope scope;  // that it takes
  // Kept in the audit log when it succeeds; what is refused is kept in any case.
  bool audited = true;
  // Tells of all apps: not for a token that is for some.
  bool tells_all_apps = false;
};
std::span<const AdminRoute> admin_routes() noexcept;

// What a request asks for.
struct RouteMatch {
  const AdminRoute* route = nullptr;  // null: not in the table
  std::string_view app = {};          // of the path
  std::string_view owner = {};
};
RouteMatch match_route(wire::Method::Kind method,
                       std::string_view path [[clang::lifetimebound]]) noexcept;

// Who asks.
struct AdminCaller {
  // Whoever can open the unix socket may do everything.
  bool local = false;
  std::optional<io::UnixPeer> peer = std::nullopt;  // of the socket
  std::string address = {};                         // of a network
  std::optional<TokenRecord> token = std::nullopt;  // that was shown, and is good

  // Whether it may use this app without further question. A token for an owner also may use those
  // that belong to that owner (AppOwners).
  bool may_use(std::string_view app) const;
  // Whether nothing limits it to some apps.
  bool may_use_all() const;
  // Empty: apps of no owner are its own.
  std::string_view owner() const noexcept [[clang::lifetimebound]];
};

// Denied: a sentence with what the caller may do. Whether the app belongs to the caller's owner is
// for those to ask who can, when may_use() is false.
Result<> authorize(const AdminCaller& caller, const RouteMatch& match);
// The same of a package that only the request's content names. A token that is limited to apps, and
// to no owner, may change no package: any app may depend on it.
Result<> authorize_owner(const AdminCaller& caller, std::string_view owner);

}  // namespace selvedge::node
