#include "app/version_pruning.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "app/internal/store_listing.h"
#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

using store::Key;
using store::Precondition;

struct Listed {
  VersionNumber number = 0;
  Key key;
  store::Revision revision;
};

Result<std::vector<Listed>> list_versions(store::Store& store, const std::string& app) {
  SELVEDGE_TRY(const Key folder, Key::parse(fmt::format("apps/{}/versions", app)));
  std::vector<Listed> listed;
  SELVEDGE_TRY_VOID(
      internal::for_each_entry(store, folder, [&listed](store::ListEntry entry) -> Result<> {
        if (const auto number = version_number_of(entry.key)) {
          listed.push_back({.number = *number,
                            .key = std::move(entry.key),
                            .revision = std::move(entry.revision)});
        }
        return {};
      }));
  std::ranges::sort(listed, {}, &Listed::number);
  return listed;
}

}  // namespace

Result<std::uint64_t> prune_versions(store::Store& store, AppStore& apps, const std::string& app,
                                     std::uint64_t kept, bool dry_run) {
  SELVEDGE_TRY(std::vector<Listed> listed, list_versions(store, app));
  if (listed.size() <= kept) {
    return std::uint64_t{0};
  }
  SELVEDGE_TRY(const Key key, Key::parse(fmt::format("apps/{}/active", app)));
  auto object = store.get(key, kRecordBytesMax);
  if (!object.has_value()) {
    return object.error().kind() == ErrorKind::kNotFound ? Result<std::uint64_t>(0)
                                                         : fail(std::move(object).error());
  }
  auto record = parse_active_record(base::as_text(object->bytes));
  if (!record.has_value()) {
    return fail_format(ErrorKind::kInternal, "the store's document {} is malformed: {}", key.text(),
                       record.error().message());
  }
  const auto retires = [&record](const Listed& version) {
    return std::ranges::none_of(record->versions, [&version](const VersionWeight& active) {
      return active.version == version.number;
    });
  };
  // The newest ones stay.
  listed.erase(listed.end() - static_cast<std::ptrdiff_t>(kept), listed.end());
  std::erase_if(listed, [&retires](const Listed& version) { return !retires(version); });
  // Those that an earlier call wrote down stay written down until they are gone.
  std::ranges::sort(listed, {}, [&record](const Listed& version) {
    return std::pair(!std::ranges::binary_search(record->retiring, version.number), version.number);
  });
  listed.erase(listed.begin() + static_cast<std::ptrdiff_t>(std::min(listed.size(), kRetiringMax)),
               listed.end());
  std::ranges::sort(listed, {}, &Listed::number);
  if (dry_run || listed.empty()) {
    return listed.size();
  }
  record->retiring.clear();
  for (const Listed& version : listed) {
    record->retiring.push_back(version.number);
  }
  auto written =
      store.put(key, base::as_bytes(to_json(*record)), Precondition::matches(object->revision));
  if (!written.has_value()) {
    // Somebody chose versions meanwhile: next time.
    return written.error().kind() == ErrorKind::kConflict ? Result<std::uint64_t>(0)
                                                          : fail(std::move(written).error());
  }
  std::uint64_t removed = 0;
  for (const Listed& version : listed) {
    // Another revision is that of an app that was deleted and made again.
    auto done = store.remove(version.key, Precondition::matches(version.revision));
    if (!done.has_value() && done.error().kind() != ErrorKind::kConflict) {
      return fail(std::move(done).error());
    }
    removed += done.has_value() ? 1 : 0;
  }
  SELVEDGE_TRY_VOID(apps.announce(app));
  return removed;
}

}  // namespace selvedge::app
