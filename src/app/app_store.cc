#include "app/app_store.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "app/blob_uses.h"
#include "app/internal/store_listing.h"
#include "app/job_store.h"
#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

using internal::for_each_entry;
using store::Key;
using store::Precondition;

constexpr std::string_view kApps = "apps";
constexpr std::string_view kDomains = "domains";
// Attempts at a document that others change too.
constexpr int kAttemptsMax = 64;
// Much shorter than the least grace of a collection: what was used so long ago counts as used now.
constexpr base::Duration kUsedTime = std::chrono::minutes(10);
// Blobs whose use is remembered; beyond it all are forgotten, and written down again.
constexpr std::size_t kUsedMax = 65'536;

// Wide enough that numbers sort as text.
constexpr std::size_t kNumberDigits = 9;

Result<Key> active_key(std::string_view app) {
  return Key::parse(fmt::format("{}/{}/active", kApps, app));
}
Result<Key> versions_key(std::string_view app) {
  return Key::parse(fmt::format("{}/{}/versions", kApps, app));
}
Result<Key> version_key(std::string_view app, VersionNumber number) {
  return Key::parse(fmt::format("{}/{}/versions/{:0{}}", kApps, app, number, kNumberDigits));
}
Result<Key> domain_key(std::string_view domain) {
  return Key::parse(fmt::format("{}/{}", kDomains, domain));
}
Result<Key> changes_key() { return Key::parse("changes"); }

// A malformed document is the store's fault, not the reader's.
template <class T>
Result<T> in_store(Result<T> parsed, const Key& key) {
  if (parsed.has_value()) {
    return parsed;
  }
  return fail_format(ErrorKind::kInternal, "the store's document {} is malformed: {}", key.text(),
                     parsed.error().message());
}

// No versions when there is none, or it is malformed.
ActiveRecord current_choice(const std::optional<store::Object>& found) {
  return found.has_value()
             ? parse_active_record(base::as_text(found->bytes)).value_or(ActiveRecord())
             : ActiveRecord();
}

Precondition unchanged(const std::optional<store::Object>& found) {
  return found.has_value() ? Precondition::matches(found->revision) : Precondition::absent();
}

}  // namespace

std::optional<VersionNumber> version_number_of(const Key& key) {
  const std::string_view text = key.text();
  const std::string_view digits = text.substr(text.rfind('/') + 1);
  VersionNumber number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number == 0 ||
      number > kVersionMax) {
    return std::nullopt;
  }
  return number;
}

Result<std::optional<store::Object>> AppStore::find(const Key& key) {
  auto object = store_.get(key, kRecordBytesMax);
  if (!object.has_value()) {
    if (object.error().kind() == ErrorKind::kNotFound) {
      return std::optional<store::Object>();
    }
    return fail(std::move(object).error());
  }
  stale_reads_ += object->stale ? 1 : 0;
  return std::optional<store::Object>(*std::move(object));
}

Result<> AppStore::use(const std::vector<crypto::Blake3Hash>& hashes) {
  const base::MonotonicTime now = clock_.now();
  std::vector<crypto::Blake3Hash> unused;
  {
    const std::lock_guard lock(used_mutex_);
    for (const crypto::Blake3Hash& hash : hashes) {
      const auto used = used_.find(hash);
      if (used == used_.end() || now - used->second >= kUsedTime) {
        unused.push_back(hash);
      }
    }
  }
  if (unused.empty()) {
    return {};
  }
  SELVEDGE_TRY_VOID(use_blobs(store_, pause_, unused));
  const std::lock_guard lock(used_mutex_);
  if (used_.size() + unused.size() > kUsedMax) {
    used_.clear();
  }
  for (const crypto::Blake3Hash& hash : unused) {
    used_.insert_or_assign(hash, now);
  }
  return {};
}

Result<std::vector<crypto::Blake3Hash>> AppStore::missing_blobs(
    const std::vector<crypto::Blake3Hash>& hashes) {
  SELVEDGE_TRY_VOID(use(hashes));
  std::vector<crypto::Blake3Hash> missing;
  for (const crypto::Blake3Hash& hash : hashes) {
    SELVEDGE_TRY(const bool there, store_.has_blob(hash));
    if (!there) {
      missing.push_back(hash);
    }
  }
  return missing;
}

Result<> AppStore::put_blob_file(const crypto::Blake3Hash& hash,
                                 const std::filesystem::path& path) {
  SELVEDGE_TRY_VOID(use({hash}));
  SELVEDGE_TRY(const auto put, store_.put_blob_file(path));
  return put == hash
             ? Result<>()
             : fail_format(ErrorKind::kConflict, "{} was changed while it was read", path.native());
}

Result<crypto::Blake3Hash> AppStore::put_image(const PackageImage& image) {
  const std::string json = to_json(image);
  std::vector<crypto::Blake3Hash> used{crypto::blake3(base::as_bytes(json))};
  for (const BlobReference& blob : blobs_of(image)) {
    used.push_back(blob.hash);
  }
  SELVEDGE_TRY_VOID(use(used));
  for (const BlobReference& blob : blobs_of(image)) {
    SELVEDGE_TRY(const auto bytes, store_.find_blob(blob.hash));
    if (bytes != blob.bytes) {
      return fail_format(ErrorKind::kNotFound, "the store does not have the package's blob {}",
                         blob.hash.hex());
    }
  }
  return store_.put_blob(base::as_bytes(json));
}

Result<PackageImage> AppStore::image(const crypto::Blake3Hash& identity) {
  SELVEDGE_TRY(const auto bytes, store_.get_blob(identity, kPackageImageBytesMax));
  auto image = parse_package_image(base::as_text(bytes));
  if (!image.has_value()) {
    return fail(std::move(image).error().with_context("package " + identity.hex()));
  }
  return image;
}

Result<VersionRecord> AppStore::create_version(const std::string& app,
                                               const crypto::Blake3Hash& package,
                                               std::string config) {
  SELVEDGE_TRY(const auto existing, versions(app));
  VersionRecord record{.number = existing.empty() ? 1 : existing.back() + 1,
                       .package = package,
                       .config = std::move(config),
                       .created = std::chrono::duration_cast<std::chrono::seconds>(
                                      clock_.wall_now().time_since_epoch())
                                      .count()};
  for (int attempt = 0; attempt < kAttemptsMax && record.number <= kVersionMax; ++attempt) {
    SELVEDGE_TRY(const Key key, version_key(app, record.number));
    const auto written = store_.put(key, base::as_bytes(to_json(record)), Precondition::absent());
    if (written.has_value()) {
      return record;
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(written.error().clone());
    }
    ++record.number;
  }
  return fail_format(ErrorKind::kOverloaded,
                     "{} is being deployed by too many at once; deploy again", app);
}

Result<> AppStore::withdraw_version(const std::string& app, VersionNumber number) {
  SELVEDGE_TRY(const Key key, version_key(app, number));
  return store_.remove(key, Precondition::any());
}

Result<VersionRecord> AppStore::version(const std::string& app, VersionNumber number) {
  SELVEDGE_TRY(const Key key, version_key(app, number));
  SELVEDGE_TRY(const auto found, find(key));
  if (!found.has_value()) {
    return fail_format(ErrorKind::kNotFound, "{} has no version {}", app, number);
  }
  SELVEDGE_TRY(auto record, in_store(parse_version_record(base::as_text(found->bytes)), key));
  if (record.number != number) {
    return fail_format(ErrorKind::kInternal, "the store's document {} is that of version {}",
                       key.text(), record.number);
  }
  return record;
}

Result<std::vector<VersionNumber>> AppStore::versions(const std::string& app) {
  SELVEDGE_TRY(const Key folder, versions_key(app));
  std::vector<VersionNumber> numbers;
  SELVEDGE_TRY_VOID(
      for_each_entry(store_, folder, [&numbers](const store::ListEntry& entry) -> Result<> {
        if (const auto number = version_number_of(entry.key)) {
          numbers.push_back(*number);
        }
        return {};
      }));
  return numbers;
}

Result<std::optional<ActiveRecord>> AppStore::active(const std::string& app) {
  SELVEDGE_TRY(const Key key, active_key(app));
  SELVEDGE_TRY(const auto found, find(key));
  if (!found.has_value()) {
    return std::optional<ActiveRecord>();
  }
  SELVEDGE_TRY(auto record, in_store(parse_active_record(base::as_text(found->bytes)), key));
  return std::optional(std::move(record));
}

Result<> AppStore::activate(const std::string& app, const ActiveRecord& record,
                            const std::optional<ActiveRecord>& seen) {
  SELVEDGE_TRY_VOID(validate(record));
  SELVEDGE_TRY_VOID(JobStore(*this).prepare(app, record));
  SELVEDGE_TRY(const Key key, active_key(app));
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const std::uint64_t stale_reads = stale_reads_;
    SELVEDGE_TRY(const auto found, find(key));
    const ActiveRecord current = current_choice(found);
    // After `found` was read: what is written down as going is still there then.
    for (const VersionWeight& entry : record.versions) {
      SELVEDGE_TRY_VOID(version(app, entry.version));
      if (std::ranges::find(current.retiring, entry.version) != current.retiring.end()) {
        return fail_format(ErrorKind::kNotFound,
                           "{} has no version {}: it is old and being removed", app, entry.version);
      }
    }
    if (seen.has_value() && current.versions != seen->versions) {
      return fail_format(ErrorKind::kConflict,
                         "somebody else changed the active versions of {} meanwhile; look again",
                         app);
    }
    if (stale_reads != stale_reads_) {
      return fail(ErrorKind::kDisconnected, "the store does not answer");
    }
    const ActiveRecord wanted{.versions = record.versions, .retiring = current.retiring};
    const auto written = store_.put(key, base::as_bytes(to_json(wanted)), unchanged(found));
    if (written.has_value()) {
      SELVEDGE_TRY_VOID(JobStore(*this).settle(app));
      return announce(app);
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(written.error().clone());
    }
  }
  return fail_format(ErrorKind::kOverloaded,
                     "the active versions of {} are being changed by too many at once", app);
}

Result<std::vector<std::string>> AppStore::apps() {
  SELVEDGE_TRY(const Key folder, Key::parse(kApps));
  std::vector<std::string> names;
  SELVEDGE_TRY_VOID(
      for_each_entry(store_, folder, [&names](const store::ListEntry& entry) -> Result<> {
        std::string_view rest(entry.key.text());
        rest.remove_prefix(kApps.size() + 1);
        const std::string_view name = rest.substr(0, rest.find('/'));
        if (rest.substr(name.size()).starts_with("/versions/") && is_app_name(name) &&
            (names.empty() || names.back() != name)) {
          names.emplace_back(name);
        }
        return {};
      }));
  std::ranges::sort(names);  // "a-b/" comes before "a/"
  return names;
}

Result<> AppStore::remove_app(const std::string& app) {
  SELVEDGE_TRY(const auto numbers, versions(app));
  SELVEDGE_TRY(const Key active, active_key(app));
  if (numbers.empty()) {
    SELVEDGE_TRY(const auto found, find(active));
    if (!found.has_value()) {
      return fail_format(ErrorKind::kNotFound, "there is no app {}", app);
    }
  }
  SELVEDGE_TRY_VOID(store_.remove(active, Precondition::any()));
  SELVEDGE_TRY_VOID(JobStore(*this).remove_app(app));
  SELVEDGE_TRY_VOID(remove_domains(app));
  for (const VersionNumber number : numbers) {
    SELVEDGE_TRY(const Key key, version_key(app, number));
    SELVEDGE_TRY_VOID(store_.remove(key, Precondition::any()));
  }
  return announce(app);
}

Result<> AppStore::remove_domains(const std::string& app) {
  SELVEDGE_TRY(const Key folder, Key::parse(kDomains));
  return for_each_entry(store_, folder, [this, &app](const store::ListEntry& entry) -> Result<> {
    SELVEDGE_TRY(const auto found, find(entry.key));
    if (!found.has_value()) {
      return {};
    }
    const auto record = parse_domain_record(base::as_text(found->bytes));
    if (!record.has_value() || record->app != app) {
      return {};
    }
    return store_.remove(entry.key, Precondition::matches(found->revision));
  });
}

Result<> AppStore::claim_domains(const std::string& app, const std::vector<std::string>& domains) {
  for (const std::string& domain : domains) {
    SELVEDGE_TRY(const auto owner, app_of_domain(domain));
    if (owner == app) {
      continue;
    }
    if (!owner.has_value()) {
      SELVEDGE_TRY(const Key key, domain_key(domain));
      const auto written = store_.put(key, base::as_bytes(to_json(DomainRecord{.app = app})),
                                      Precondition::absent());
      if (written.has_value()) {
        continue;
      }
      if (written.error().kind() != ErrorKind::kConflict) {
        return fail(written.error().clone());
      }
    }
    return fail_format(ErrorKind::kConflict, "the domain {} belongs to {}", domain,
                       owner.has_value() ? "the app " + *owner : "another app");
  }
  return {};
}

Result<std::optional<std::string>> AppStore::app_of_domain(const std::string& domain) {
  SELVEDGE_TRY(const Key key, domain_key(domain));
  SELVEDGE_TRY(const auto found, find(key));
  if (!found.has_value()) {
    return std::optional<std::string>();
  }
  SELVEDGE_TRY(auto record, in_store(parse_domain_record(base::as_text(found->bytes)), key));
  return std::optional(std::move(record.app));
}

Result<std::optional<AppStore::Changes>> AppStore::changes(
    const std::optional<store::Revision>& known) {
  SELVEDGE_TRY(const Key key, changes_key());
  std::optional<store::Object> found;
  if (known.has_value()) {
    auto changed = store_.get_if_changed(key, *known, kRecordBytesMax);
    if (!changed.has_value()) {
      return fail(std::move(changed).error());
    }
    found = *std::move(changed);
  } else {
    SELVEDGE_TRY(found, find(key));
  }
  if (!found.has_value()) {
    return std::optional<Changes>();
  }
  SELVEDGE_TRY(auto record, in_store(parse_change_record(base::as_text(found->bytes)), key));
  return std::optional(Changes{
      .record = std::move(record), .revision = std::move(found->revision), .stale = found->stale});
}

Result<> AppStore::announce(const std::string& app) {
  SELVEDGE_TRY(const Key key, changes_key());
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    SELVEDGE_TRY(const auto found, find(key));
    ChangeRecord record;
    if (found.has_value()) {
      SELVEDGE_TRY(record, in_store(parse_change_record(base::as_text(found->bytes)), key));
    }
    record.add(app);
    const auto written = store_.put(key, base::as_bytes(to_json(record)), unchanged(found));
    if (written.has_value()) {
      return {};
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(written.error().clone());
    }
  }
  return fail(ErrorKind::kOverloaded, "too many apps are being changed at once; try again");
}

}  // namespace selvedge::app
