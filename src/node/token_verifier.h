#pragma once

// Whether a token that a client shows is good. What the store said is believed for half a second,
// so a revoked token ends within a second on every node of the store, and a client that asks often
// costs the store two requests a second.

#include <cstddef>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/result.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "node/token_store.h"

namespace selvedge::node {

// The reactor's thread.
class TokenVerifier {
 public:
  static constexpr base::Duration kBelievedFor = std::chrono::milliseconds(500);
  static constexpr std::size_t kRememberedMax = 256;

  TokenVerifier(io::Reactor& reactor [[clang::lifetimebound]],
                TokenStore& tokens [[clang::lifetimebound]],
                io::HelperPool& store_helpers [[clang::lifetimebound]]) noexcept
      : reactor_(reactor), tokens_(tokens), store_helpers_(store_helpers) {}

  // Invalid (not a token at all) and Denied (not known; revoked or expired, which only who has the
  // whole token is told): one sentence. Other kinds: the store cannot say.
  io::Task<TokenRecord> verify(std::string token);
  // Whether it was good a short time ago: its user is no stranger.
  bool remembers(std::string_view token) const;
  // From now on the store is asked anew.
  void forget() noexcept { known_.clear(); }

 private:
  struct Known {
    TokenRecord record;
    base::MonotonicTime asked;
  };

  io::Reactor& reactor_;
  TokenStore& tokens_;
  io::HelperPool& store_helpers_;
  std::unordered_map<std::string, Known> known_;  // by id
};

}  // namespace selvedge::node
