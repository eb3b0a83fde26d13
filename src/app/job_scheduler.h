#pragma once

// Runs the jobs of the store's apps when they are due, each run once among all nodes of the store:
// every node has a scheduler, and the one whose claim the store takes does it (job_state.h). A node
// that is gone is replaced when its claim's lease has passed.
//
// Also keeps versions started that ask for it (scaling.min_instances), on every node.
//
// Costs nothing but a read of one small document for each change while no app has jobs.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/job_config.h"
#include "app/job_state.h"
#include "app/job_store.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "io/event.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "io/task.h"
#include "io/task_scope.h"

namespace selvedge::app {

// How one attempt of a job ended.
struct JobOutcome {
  JobResult result = JobResult::kSucceeded;  // kSucceeded, kFailed or kTimedOut
  std::string message;                       // one clause; empty when there is nothing to say
};

// Who does what jobs are about. The scheduler's thread.
class JobActions {
 public:
  virtual ~JobActions() = default;
  // One attempt, which ends at the job's timeout. kDisconnected: it was cut off, because this node
  // is being stopped; another one does it anew.
  virtual io::Task<JobOutcome> perform(ScheduledJob job) = 0;
  // Starts the version on this node if it does not run, and keeps it for its idle time.
  virtual io::Task<> keep_started(std::string app, VersionNumber version) = 0;
};

struct JobSchedulerOptions {
  AppStore& apps;
  io::HelperPool& store_helpers;
  JobActions& actions;
  base::Random& random;
  std::string node;  // for the record
  // After the store did not answer, or a run was cut off.
  base::Duration retry_pause = std::chrono::seconds(5);
  // How long the wall clock is trusted to go on evenly.
  base::Duration wall_check_interval = std::chrono::seconds(30);
  // Between the attempts of a run, doubled at each.
  base::Duration backoff_min = std::chrono::seconds(1);
  base::Duration backoff_max = std::chrono::minutes(1);
};

// One reactor's thread: the node's main one.
class JobScheduler {
 public:
  // Everything outlives this.
  JobScheduler(io::Reactor& reactor [[clang::lifetimebound]], JobSchedulerOptions options);

  // Until stop(), or until it is cancelled.
  io::Task<> run();
  // Something of the app is new; nullopt: anything may be.
  void changed(const std::optional<std::string>& app);
  // Begins a run of the job now, whatever its trigger. Completes when it has begun. kNotFound: the
  // active version has no such job; kConflict: it is running.
  io::Task<> run_now(std::string app, std::string job);

  // From now on nothing begins.
  void drain() noexcept;
  // The same, and what is under way may go on until `grace`, also with telling the store how it
  // ended.
  io::Task<> stop(io::Deadline grace);

 private:
  // An app's jobs as they were read once. Ends when they are read anew.
  struct Entry {
    explicit Entry(io::Reactor& reactor) : woken(reactor) {}
    std::string app;
    AppJobs jobs;
    bool ended = false;
    std::uint64_t wakes = 0;  // raised when the store has something new of a job
    io::Event woken;          // notified by either
  };
  // Of a claim: since when this node has known it.
  struct Seen {
    std::string id;
    std::uint32_t attempt = 0;
    base::MonotonicTime since;
  };
  using EntryPointer = std::shared_ptr<Entry>;

  io::Task<> refresh();
  io::Task<> load(std::string app);
  void end_entry(const std::string& app);
  io::Task<> follow(EntryPointer entry, std::size_t index);
  io::Task<> keep(EntryPointer entry, AppJobs::Kept kept);
  // One look at the store. True: look again at once.
  io::Task<bool> advance(EntryPointer entry, const ScheduledJob& job, std::optional<Seen>& seen,
                         std::string& attempted);
  io::Task<> wait(EntryPointer entry, std::uint64_t wakes, base::WallTime at,
                  base::MonotonicTime lease_end);
  // nullopt: others changed it meanwhile.
  io::Task<std::optional<JobStore::Stored>> claim_now(std::string app, VersionNumber version,
                                                      const JobConfig& job);
  io::Task<> carry_out(ScheduledJob job, JobStore::Stored stored);
  io::Task<JobOutcome> attempt(const ScheduledJob& job);
  // Writes how it ended, for as long as the claim is this node's.
  io::Task<> record(const ScheduledJob& job, JobStore::Stored stored, JobOutcome outcome,
                    base::MonotonicTime began);
  io::Task<> give_up(const ScheduledJob& job, JobStore::Stored stored);
  io::Task<JobStore::Stored> read(std::string app, std::string job);
  io::Task<store::Revision> write(std::string app, std::string job, JobState state,
                                  std::optional<store::Revision> seen);
  base::Duration backoff(std::uint32_t attempt);
  std::string new_id();
  void wake(const std::string& app);
  io::Task<> pause(EntryPointer entry);

  io::Reactor& reactor_;
  JobSchedulerOptions options_;
  JobStore store_;
  bool stopping_ = false;
  bool everything_changed_ = true;
  std::set<std::string> changed_;
  std::optional<store::Revision> index_revision_;
  std::set<std::string> index_;
  std::map<std::string, EntryPointer> entries_;
  io::Event work_;       // notified
  io::TaskScope scope_;  // last: its tasks use the rest
};

}  // namespace selvedge::app
