#include "node/app_owners.h"

#include <utility>

#include "app/json_reader.h"
#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::node {
namespace {

using store::Key;
using store::Precondition;

constexpr std::size_t kRecordBytesMax = 4096;
constexpr int kAttemptsMax = 16;

Result<Key> key_of(const std::string& app) { return Key::parse(fmt::format("owners/{}", app)); }

std::string to_json(const std::string& owner, bool claimed) {
  nlohmann::json made = {{"format", 1}, {"owner", owner}};
  if (claimed) {
    made["claimed"] = true;
  }
  return app::json_text(made);
}

std::unexpected<Error> not_theirs(const std::string& app, const std::string& owner) {
  return fail_format(ErrorKind::kDenied, "the token is for apps of {}, and {} is none of them",
                     owner, app);
}

std::unexpected<Error> too_many(const std::string& app) {
  return fail_format(ErrorKind::kOverloaded, "too many deploy {} at once; try again", app);
}

}  // namespace

struct AppOwners::Record {
  std::string owner;
  bool claimed = false;  // not confirmed
  store::Revision revision;
};

Result<std::optional<AppOwners::Record>> AppOwners::find(const std::string& app) {
  SELVEDGE_TRY(const Key key, key_of(app));
  auto object = apps_.blobs().get(key, kRecordBytesMax);
  if (!object.has_value()) {
    if (object.error().kind() == ErrorKind::kNotFound) {
      return std::optional<Record>();
    }
    return fail(std::move(object).error());
  }
  auto record = [&object]() -> Result<Record> {
    SELVEDGE_TRY(const auto document, app::parse_json(base::as_text(object->bytes), "the owner"));
    SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "owner"));
    SELVEDGE_TRY(auto owner, root.text("owner"));
    SELVEDGE_TRY(const auto claimed, root.optional_boolean("claimed"));
    return Record{.owner = std::move(owner),
                  .claimed = claimed.value_or(false),
                  .revision = std::move(object->revision)};
  }();
  if (!record.has_value()) {
    return fail_format(ErrorKind::kInternal, "the store's document {} is malformed: {}", key.text(),
                       record.error().message());
  }
  return std::optional(*std::move(record));
}

Result<bool> AppOwners::is_free(const std::string& app, const std::optional<Record>& record) {
  if (record.has_value() && !record->claimed) {
    return false;
  }
  SELVEDGE_TRY(const auto versions, apps_.versions(app));
  return versions.empty();
}

Result<AppOwners::Standing> AppOwners::standing(const std::string& app, const std::string& owner,
                                                std::optional<Record>& record) {
  SELVEDGE_TRY(record, find(app));
  if (record.has_value() && record->owner == owner) {
    return Standing::kTheirs;
  }
  SELVEDGE_TRY(const bool free, is_free(app, record));
  if (free) {
    return Standing::kFree;
  }
  // The version may be one that this owner has made since the record was read.
  SELVEDGE_TRY(const auto now, find(app));
  return now.has_value() && now->owner == owner ? Standing::kTheirs : Standing::kTaken;
}

Result<std::optional<std::string>> AppOwners::owner_of(const std::string& app) {
  SELVEDGE_TRY(auto record, find(app));
  return record.has_value() ? std::optional(std::move(record->owner)) : std::nullopt;
}

Result<> AppOwners::check(const std::string& app, const std::string& owner) {
  SELVEDGE_TRY(const auto record, find(app));
  if (!record.has_value() || record->owner != owner) {
    return not_theirs(app, owner);
  }
  // Also what belongs to a name (its secrets) may be written only by who will keep it.
  SELVEDGE_TRY(const bool free, is_free(app, record));
  return free ? not_theirs(app, owner) : Result<>();
}

Result<> AppOwners::check_deploy(const std::string& app, const std::string& owner) {
  std::optional<Record> record;
  SELVEDGE_TRY(const Standing found, standing(app, owner, record));
  return found == Standing::kTaken ? not_theirs(app, owner) : Result<>();
}

Result<> AppOwners::claim(const std::string& app, const std::string& owner) {
  SELVEDGE_TRY(const Key key, key_of(app));
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    std::optional<Record> record;
    SELVEDGE_TRY(const Standing found, standing(app, owner, record));
    if (found != Standing::kFree) {
      return found == Standing::kTheirs ? Result<>() : not_theirs(app, owner);
    }
    const auto written = apps_.blobs().put(
        key, base::as_bytes(to_json(owner, /*claimed=*/true)),
        record.has_value() ? Precondition::matches(record->revision) : Precondition::absent());
    if (written.has_value()) {
      return {};
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(written.error().clone());
    }
  }
  return too_many(app);
}

Result<> AppOwners::confirm(const std::string& app, const std::string& owner) {
  SELVEDGE_TRY(const Key key, key_of(app));
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    SELVEDGE_TRY(const auto record, find(app));
    if (!record.has_value() || record->owner != owner) {
      return not_theirs(app, owner);
    }
    if (!record->claimed) {
      return {};
    }
    // Whoever saw no version and is about to take the claim over loses against this.
    const auto written = apps_.blobs().put(key, base::as_bytes(to_json(owner, /*claimed=*/false)),
                                           Precondition::matches(record->revision));
    if (written.has_value()) {
      return {};
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(written.error().clone());
    }
  }
  return too_many(app);
}

Result<> AppOwners::forget(const std::string& app) {
  SELVEDGE_TRY(const Key key, key_of(app));
  return apps_.blobs().remove(key, Precondition::any());
}

}  // namespace selvedge::node
