#pragma once

// A door of the admin API: lets in who may, at a bounded rate, and keeps a record.
//
// The door of the unix socket is open: whoever may open the socket may administer. At that of a
// network each request shows a token (Authorization: Bearer …), and the order of checks is: rate of
// the address, rate of its failures, the token, rate of the token, scope.

#include "app/http_exchange.h"
#include "io/task.h"
#include "node/admin_access.h"
#include "node/admin_api.h"
#include "node/admin_scope.h"

namespace selvedge::node {

// The reactor's thread.
class AdminGate final : public app::HttpHandler {
 public:
  enum class Door : unsigned char { kLocal, kNetwork };

  // Both outlive this.
  AdminGate(Door door, AdminApi& api [[clang::lifetimebound]],
            AdminAccess& access [[clang::lifetimebound]]) noexcept
      : door_(door), api_(api), access_(access) {}

  io::Task<> handle(app::HttpExchange& exchange) override;

 private:
  class Recorder;

  io::Task<> serve(Recorder& exchange);
  io::Task<> identify(Recorder& exchange);
  io::Task<> run(Recorder& exchange, const RouteMatch& match);

  Door door_;
  AdminApi& api_;
  AdminAccess& access_;
};

// The part of an address that is one peer's: of IPv6 the first 64 bits, since a peer has all the
// rest. For tests.
std::string peer_name(std::string_view address);

}  // namespace selvedge::node
