#include "node/token_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::node {
namespace {

using store::Key;
using store::Precondition;

constexpr int kAttemptsMax = 16;

Result<Key> key_of(std::string_view id) { return Key::parse(fmt::format("tokens/{}", id)); }

Result<TokenRecord> parse(const store::Object& object, const Key& key) {
  auto record = parse_token_record(base::as_text(object.bytes));
  if (!record.has_value()) {
    return fail_format(ErrorKind::kInternal, "the store's document {} is malformed: {}", key.text(),
                       record.error().message());
  }
  return record;
}

}  // namespace

std::int64_t TokenStore::now() const noexcept {
  return std::chrono::floor<std::chrono::seconds>(clock_.wall_now()).time_since_epoch().count();
}

Result<TokenStore::Created> TokenStore::create(Wanted wanted) {
  Created made{.record = {}, .token = make_token(random_)};
  SELVEDGE_TRY(made.record.hash, hash_token(made.token));
  made.record.id = token_id(made.record.hash);
  made.record.name = std::move(wanted.name);
  made.record.scope = wanted.scope;
  made.record.apps = std::move(wanted.apps);
  made.record.owner = std::move(wanted.owner);
  made.record.created = now();
  if (wanted.lifetime.has_value()) {
    made.record.expires =
        made.record.created + std::chrono::ceil<std::chrono::seconds>(*wanted.lifetime).count();
  }
  SELVEDGE_TRY_VOID(made.record.validate());
  SELVEDGE_TRY_VOID(make_room());
  SELVEDGE_TRY(const Key key, key_of(made.record.id));
  SELVEDGE_TRY_VOID(store_.put(key, base::as_bytes(to_json(made.record)), Precondition::absent()));
  return made;
}

Result<> TokenStore::make_room() {
  SELVEDGE_TRY(Key folder, Key::parse("tokens"));
  SELVEDGE_TRY(const auto page, store_.list({.folder = std::move(folder)}));
  if (page.entries.size() < kTokensMax) {
    return {};
  }
  SELVEDGE_TRY(auto records, list());
  if (records.empty()) {
    return {};
  }
  const std::int64_t at = now();
  const auto ended = [at](const TokenRecord& record) {
    const std::int64_t end =
        std::min(record.revoked.value_or(INT64_MAX), record.expires.value_or(INT64_MAX));
    return end <= at ? end : INT64_MAX;
  };
  const auto oldest = std::ranges::min_element(records, {}, ended);
  if (ended(*oldest) == INT64_MAX) {
    return fail_format(ErrorKind::kOverloaded,
                       "there are {} tokens already: revoke some that nobody needs", kTokensMax);
  }
  SELVEDGE_TRY(const Key key, key_of(oldest->id));
  return store_.remove(key, Precondition::any());
}

Result<std::vector<TokenRecord>> TokenStore::list() {
  SELVEDGE_TRY(Key folder, Key::parse("tokens"));
  SELVEDGE_TRY(const auto page, store_.list({.folder = std::move(folder)}));
  std::vector<TokenRecord> made;
  for (const store::ListEntry& entry : page.entries) {
    const auto object = store_.get(entry.key, kTokenRecordBytesMax);
    if (!object.has_value() && object.error().kind() == ErrorKind::kNotFound) {
      continue;  // removed since
    }
    if (!object.has_value()) {
      return fail(object.error().clone());
    }
    SELVEDGE_TRY(auto record, parse(*object, entry.key));
    made.push_back(std::move(record));
  }
  std::ranges::sort(made, {}, [](const TokenRecord& record) {
    return std::pair(record.created, std::string_view(record.id));
  });
  return made;
}

Result<TokenRecord> TokenStore::revoke(const std::string& id) {
  const auto unknown = [&id] {
    return fail_format(ErrorKind::kNotFound, "there is no token {}", id);
  };
  if (!is_token_id(id)) {
    return unknown();
  }
  SELVEDGE_TRY(const Key key, key_of(id));
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    auto object = store_.get(key, kTokenRecordBytesMax);
    if (!object.has_value() && object.error().kind() == ErrorKind::kNotFound) {
      return unknown();
    }
    if (!object.has_value()) {
      return fail(std::move(object).error());
    }
    SELVEDGE_TRY(auto record, parse(*object, key));
    if (record.revoked.has_value()) {
      return record;
    }
    record.revoked = now();
    auto written = store_.put(key, base::as_bytes(to_json(record)),
                              Precondition::matches(std::move(object->revision)));
    if (written.has_value()) {
      return record;
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(std::move(written).error());
    }
  }
  return fail_format(ErrorKind::kOverloaded, "the token {} is changed all the time: try again", id);
}

Result<std::optional<TokenRecord>> TokenStore::find(const std::string& id) {
  SELVEDGE_TRY(const Key key, key_of(id));
  const auto object = store_.get(key, kTokenRecordBytesMax);
  if (!object.has_value()) {
    if (object.error().kind() == ErrorKind::kNotFound) {
      return std::optional<TokenRecord>();
    }
    return fail(object.error().clone());
  }
  if (object->stale) {
    return fail(ErrorKind::kDisconnected, "the store does not answer");
  }
  SELVEDGE_TRY(auto record, parse(*object, key));
  return std::optional(std::move(record));
}

}  // namespace selvedge::node
