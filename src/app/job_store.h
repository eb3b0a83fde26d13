#pragma once

// The documents of jobs in the store:
//   jobs                       the names of the apps whose active versions have jobs, or are to be
//                              kept started
//   apps/<app>/jobs/<job>      a JobState
// The first one spares nodes a look at every app. It may name an app that has none, for as long as
// a change of it is under way; who reads it looks at the app.
//
// All functions block; any thread. Errors are those of AppStore.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "app/app_records.h"
#include "app/job_state.h"
#include "base/result.h"
#include "store/store.h"

namespace selvedge::app {

class AppStore;

inline constexpr std::size_t kJobAppsMax = 16'384;

// What nodes do for an app without a request. The jobs are those of the version that most requests
// go to.
struct AppJobs {
  // An active version that nodes keep started (scaling.min_instances).
  struct Kept {
    VersionNumber version = 0;
    base::Duration idle_time_max{};
    friend bool operator==(const Kept&, const Kept&) = default;
  };
  VersionNumber version = 0;
  std::vector<JobConfig> jobs;
  std::vector<Kept> kept;
  friend bool operator==(const AppJobs&, const AppJobs&) = default;
};

class JobStore {
 public:
  // Outlives this.
  explicit JobStore(AppStore& apps [[clang::lifetimebound]]) noexcept : apps_(apps) {}

  struct Index {
    std::vector<std::string> apps;  // ascending
    std::optional<store::Revision> revision;
  };
  // nullopt: as it was at `known`.
  Result<std::optional<Index>> index(const std::optional<store::Revision>& known);
  // Before the versions become active: names the app if one of them has jobs.
  Result<> prepare(const std::string& app, const ActiveRecord& active);
  // Afterwards: names the app if what is active has jobs, else not.
  Result<> settle(const std::string& app);
  // Of an app that is being removed.
  Result<> remove_app(const std::string& app);

  // Empty when there is no such app, or no version is active.
  Result<AppJobs> jobs(const std::string& app);

  struct Stored {
    JobState state;  // empty when there is none
    std::optional<store::Revision> revision;
  };
  Result<Stored> state(const std::string& app, const std::string& job);
  // kConflict: somebody else changed it since `seen`; kDisconnected: perhaps.
  Result<store::Revision> put_state(const std::string& app, const std::string& job,
                                    const JobState& state,
                                    const std::optional<store::Revision>& seen);

 private:
  Result<bool> has_jobs(const std::string& app, const ActiveRecord& active);
  // Makes the index name the app, or not.
  Result<> name(const std::string& app, bool named);

  AppStore& apps_;
};

}  // namespace selvedge::app
