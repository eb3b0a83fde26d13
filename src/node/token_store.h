#pragma once

// Tokens of the admin API in the store: tokens/<id>, for all nodes of it. A revoked one stays there
// for a while, so that its user is told so.
//
// All functions block: on helper threads, any number at once. Errors of the store pass through.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "node/admin_token.h"
#include "store/store.h"

namespace selvedge::node {

// A view of a store: copies are as good.
class TokenStore {
 public:
  // Of one store; those that were revoked, or have expired, longest ago make room.
  static constexpr std::size_t kTokensMax = 1000;

  // All outlive this; `random` may be used on any thread, and is fit for secrets.
  TokenStore(store::Store& store [[clang::lifetimebound]],
             base::Random& random [[clang::lifetimebound]],
             const base::Clock& clock [[clang::lifetimebound]]) noexcept
      : store_(store), random_(random), clock_(clock) {}

  struct Wanted {
    std::string name = {};
    TokenScope scope = TokenScope::kRead;
    std::vector<std::string> apps = {};
    std::string owner = {};
    std::optional<base::Duration> lifetime = std::nullopt;
  };
  struct Created {
    TokenRecord record;
    std::string token;  // nowhere else
  };
  // Invalid; Overloaded: there are kTokensMax that can be used.
  Result<Created> create(Wanted wanted);
  // By the time of their creation.
  Result<std::vector<TokenRecord>> list();
  // What it was. kNotFound. Also when it is revoked already.
  Result<TokenRecord> revoke(const std::string& id);
  // nullopt: there is none. kDisconnected also when the store does not answer and only an older
  // state is known: nobody knows what was revoked meanwhile.
  Result<std::optional<TokenRecord>> find(const std::string& id);

 private:
  std::int64_t now() const noexcept;
  Result<> make_room();

  store::Store& store_;
  base::Random& random_;
  const base::Clock& clock_;
};

}  // namespace selvedge::node
