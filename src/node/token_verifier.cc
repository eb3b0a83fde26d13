#include "node/token_verifier.h"

#include <utility>

namespace selvedge::node {

io::Task<TokenRecord> TokenVerifier::verify(std::string token) {
  SELVEDGE_CO_TRY(const crypto::Blake3Hash hash, hash_token(token));
  const std::string id = token_id(hash);
  const base::MonotonicTime now = reactor_.now();
  std::optional<TokenRecord> record;
  if (const auto known = known_.find(id);
      known != known_.end() && now - known->second.asked < kBelievedFor) {
    record = known->second.record;
  } else {
    auto found = co_await store_helpers_.run(
        reactor_, [tokens = tokens_, id]() mutable { return tokens.find(id); });
    if (!found.has_value()) {
      co_return fail(std::move(found).error().with_context("the token cannot be checked"));
    }
    record = *std::move(found);
    known_.erase(id);
    if (record.has_value() && record->hash == hash) {
      if (known_.size() >= kRememberedMax) {
        known_.clear();
      }
      known_.emplace(id, Known{.record = *record, .asked = now});
    }
  }
  if (!record.has_value() || record->hash != hash) {
    co_return fail(ErrorKind::kDenied, "this token is not known here");
  }
  SELVEDGE_CO_TRY_VOID(check_token(*record, reactor_.clock().wall_now()));
  co_return *std::move(record);
}

bool TokenVerifier::remembers(std::string_view token) const {
  const auto hash = hash_token(token);
  if (!hash.has_value()) {
    return false;
  }
  const auto known = known_.find(token_id(*hash));
  return known != known_.end() && known->second.record.hash == *hash &&
         check_token(known->second.record, reactor_.clock().wall_now()).has_value();
}

}  // namespace selvedge::node
