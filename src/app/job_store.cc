#include "app/job_store.h"

#include <algorithm>
#include <utility>

#include "app/app_config.h"
#include "app/app_store.h"
#include "app/json_reader.h"
#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

using store::Key;
using store::Precondition;

constexpr int kAttemptsMax = 64;

Result<Key> index_key() { return Key::parse("jobs"); }
Result<Key> states_key(const std::string& app) {
  return Key::parse(fmt::format("apps/{}/jobs", app));
}

std::string index_json(const std::vector<std::string>& apps) { return json_text({{"apps", apps}}); }

Result<std::vector<std::string>> parse_index(const store::Object& object) {
  SELVEDGE_TRY(const auto document, parse_json(base::as_text(object.bytes), "the list of jobs"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "jobs"));
  SELVEDGE_TRY(auto apps, root.texts("apps"));
  if (apps.size() > kJobAppsMax || !std::ranges::all_of(apps, is_app_name) ||
      !std::ranges::is_sorted(apps)) {
    return fail(ErrorKind::kInternal, "the store's document jobs is malformed");
  }
  return apps;
}

// nullopt when there is none.
Result<std::optional<store::Object>> find(store::Store& from, const Key& key) {
  auto found = from.get(key, kRecordBytesMax);
  if (found.has_value()) {
    return std::optional(*std::move(found));
  }
  if (found.error().kind() == ErrorKind::kNotFound) {
    return std::optional<store::Object>();
  }
  return fail(std::move(found).error());
}

const VersionWeight& heaviest(const ActiveRecord& active) {
  return *std::ranges::max_element(active.versions, {}, &VersionWeight::weight);
}

}  // namespace

Result<std::optional<JobStore::Index>> JobStore::index(
    const std::optional<store::Revision>& known) {
  SELVEDGE_TRY(const Key key, index_key());
  std::optional<store::Object> found;
  if (known.has_value()) {
    auto changed = apps_.blobs().get_if_changed(key, *known, kRecordBytesMax);
    if (!changed.has_value()) {
      return fail(std::move(changed).error());
    }
    if (!changed->has_value()) {
      return std::optional<Index>();
    }
    found = *std::move(changed);
  } else {
    SELVEDGE_TRY(found, find(apps_.blobs(), key));
  }
  Index made;
  if (found.has_value()) {
    SELVEDGE_TRY(made.apps, parse_index(*found));
    made.revision = std::move(found->revision);
  }
  return std::optional(std::move(made));
}

Result<> JobStore::name(const std::string& app, bool named) {
  SELVEDGE_TRY(const Key key, index_key());
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    SELVEDGE_TRY(const auto found, find(apps_.blobs(), key));
    std::vector<std::string> apps;
    if (found.has_value()) {
      SELVEDGE_TRY(apps, parse_index(*found));
    }
    const auto place = std::ranges::lower_bound(apps, app);
    const bool is_named = place != apps.end() && *place == app;
    if (is_named == named) {
      return {};
    }
    if (!named) {
      apps.erase(place);
    } else if (apps.size() == kJobAppsMax) {
      return fail_format(ErrorKind::kOverloaded, "more than {} apps with jobs are too many",
                         kJobAppsMax);
    } else {
      apps.insert(place, app);
    }
    const auto written = apps_.blobs().put(
        key, base::as_bytes(index_json(apps)),
        found.has_value() ? Precondition::matches(found->revision) : Precondition::absent());
    if (written.has_value()) {
      return {};
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(written.error().clone());
    }
  }
  return fail(ErrorKind::kOverloaded, "too many apps with jobs are being changed at once");
}

Result<bool> JobStore::has_jobs(const std::string& app, const ActiveRecord& active) {
  for (const VersionWeight& entry : active.versions) {
    const auto record = apps_.version(app, entry.version);
    if (!record.has_value()) {
      if (record.error().kind() == ErrorKind::kNotFound) {
        continue;
      }
      return fail(record.error().clone());
    }
    const auto config = parse_app_config(record->config, "app.yaml");
    if (config.has_value() && (!config->jobs.empty() || config->scaling.instances_min > 0)) {
      return true;
    }
  }
  return false;
}

Result<> JobStore::prepare(const std::string& app, const ActiveRecord& active) {
  SELVEDGE_TRY(const bool any, has_jobs(app, active));
  return any ? name(app, true) : Result<>();
}

Result<> JobStore::settle(const std::string& app) {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    SELVEDGE_TRY(const auto active, apps_.active(app));
    bool any = false;
    if (active.has_value()) {
      SELVEDGE_TRY(any, has_jobs(app, *active));
    }
    SELVEDGE_TRY_VOID(name(app, any));
    // Somebody who activates another version meanwhile may have settled before this did.
    SELVEDGE_TRY(const auto again, apps_.active(app));
    if (again == active) {
      return {};
    }
  }
  return fail_format(ErrorKind::kOverloaded,
                     "the active versions of {} are being changed by too many at once", app);
}

Result<> JobStore::remove_app(const std::string& app) {
  SELVEDGE_TRY_VOID(name(app, false));
  SELVEDGE_TRY(const Key folder, states_key(app));
  store::ListOptions options{.folder = folder};
  for (;;) {
    SELVEDGE_TRY(const store::ListPage page, apps_.blobs().list(options));
    for (const store::ListEntry& entry : page.entries) {
      SELVEDGE_TRY_VOID(apps_.blobs().remove(entry.key, Precondition::any()));
    }
    if (!page.more || page.entries.empty()) {
      return {};
    }
    options.start_after = page.entries.back().key;
  }
}

Result<AppJobs> JobStore::jobs(const std::string& app) {
  AppJobs made;
  SELVEDGE_TRY(const auto active, apps_.active(app));
  if (!active.has_value()) {
    return made;
  }
  made.version = heaviest(*active).version;
  for (const VersionWeight& entry : active->versions) {
    SELVEDGE_TRY(const auto record, apps_.version(app, entry.version));
    SELVEDGE_TRY(auto config, parse_app_config(record.config, "app.yaml"));
    if (config.scaling.instances_min > 0) {
      made.kept.push_back(
          {.version = entry.version, .idle_time_max = config.scaling.idle_time_max});
    }
    if (entry.version == made.version) {
      made.jobs = std::move(config.jobs);
    }
  }
  return made;
}

Result<JobStore::Stored> JobStore::state(const std::string& app, const std::string& job) {
  SELVEDGE_TRY(const Key folder, states_key(app));
  SELVEDGE_TRY(const Key key, folder.child(job));
  SELVEDGE_TRY(auto found, find(apps_.blobs(), key));
  Stored made;
  if (found.has_value()) {
    if (found->stale) {
      return fail(ErrorKind::kDisconnected, "the store does not answer");
    }
    auto parsed = parse_job_state(base::as_text(found->bytes));
    if (!parsed.has_value()) {
      return fail_format(ErrorKind::kInternal, "the store's document {} is malformed: {}",
                         key.text(), parsed.error().message());
    }
    made.state = *std::move(parsed);
    made.revision = std::move(found->revision);
  }
  return made;
}

Result<store::Revision> JobStore::put_state(const std::string& app, const std::string& job,
                                            const JobState& state,
                                            const std::optional<store::Revision>& seen) {
  SELVEDGE_TRY(const Key folder, states_key(app));
  SELVEDGE_TRY(const Key key, folder.child(job));
  return apps_.blobs().put(
      key, base::as_bytes(to_json(state)),
      seen.has_value() ? Precondition::matches(*seen) : Precondition::absent());
}

}  // namespace selvedge::app
