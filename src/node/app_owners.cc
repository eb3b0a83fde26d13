#include "node/app_owners.h"

#include "app/json_reader.h"
#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::node {
namespace {

using store::Key;
using store::Precondition;

constexpr std::size_t kRecordBytesMax = 4096;

Result<Key> key_of(const std::string& app) { return Key::parse(fmt::format("owners/{}", app)); }

Result<std::string> parse(const store::Object& object) {
  SELVEDGE_TRY(const auto document, app::parse_json(base::as_text(object.bytes), "the owner"));
  SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "owner"));
  return root.text("owner");
}

}  // namespace

Result<std::optional<std::string>> AppOwners::owner_of(const std::string& app) {
  SELVEDGE_TRY(const Key key, key_of(app));
  const auto object = store_.get(key, kRecordBytesMax);
  if (!object.has_value()) {
    if (object.error().kind() == ErrorKind::kNotFound) {
      return std::optional<std::string>();
    }
    return fail(object.error().clone());
  }
  auto owner = parse(*object);
  if (!owner.has_value()) {
    return fail_format(ErrorKind::kInternal, "the store's document {} is malformed: {}", key.text(),
                       owner.error().message());
  }
  return std::optional(*std::move(owner));
}

Result<> AppOwners::check(const std::string& app, const std::string& owner) {
  SELVEDGE_TRY(const auto found, owner_of(app));
  return found == owner
             ? Result<>()
             : fail_format(ErrorKind::kDenied,
                           "the token is for apps of {}, and {} is none of them", owner, app);
}

Result<> AppOwners::claim(const std::string& app, const std::string& owner, bool exists) {
  SELVEDGE_TRY(const auto found, owner_of(app));
  if (found.has_value() || exists) {
    return check(app, owner);
  }
  SELVEDGE_TRY(const Key key, key_of(app));
  const std::string record = app::json_text({{"format", 1}, {"owner", owner}});
  auto written = store_.put(key, base::as_bytes(record), Precondition::absent());
  if (!written.has_value() && written.error().kind() == ErrorKind::kConflict) {
    return check(app, owner);
  }
  return written.has_value() ? Result<>() : fail(std::move(written).error());
}

Result<> AppOwners::forget(const std::string& app) {
  SELVEDGE_TRY(const Key key, key_of(app));
  return store_.remove(key, Precondition::any());
}

}  // namespace selvedge::node
