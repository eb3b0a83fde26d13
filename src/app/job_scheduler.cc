#include "app/job_scheduler.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/format.h"
#include "base/log.h"
#include "io/deadline.h"

namespace selvedge::app {
namespace {

constexpr std::size_t kIdBytes = 12;
constexpr base::Duration kKeepIntervalMin = std::chrono::milliseconds(500);
constexpr std::uint64_t kLeaseMsMax = std::uint64_t{30} * 24 * 3600 * 1000;

bool is_lasting(const Error& error) {
  return error.kind() == ErrorKind::kInvalid || error.kind() == ErrorKind::kNotFound;
}

}  // namespace

JobScheduler::JobScheduler(io::Reactor& reactor, JobSchedulerOptions options)
    : reactor_(reactor),
      options_(std::move(options)),
      store_(options_.apps),
      work_(reactor),
      scope_(reactor) {}

void JobScheduler::changed(const std::optional<std::string>& app) {
  if (app.has_value()) {
    changed_.insert(*app);
  } else {
    everything_changed_ = true;
  }
  work_.notify();
}

void JobScheduler::drain() noexcept {
  stopping_ = true;
  work_.notify();
  for (const auto& [name, entry] : entries_) {
    entry->ended = true;
    entry->woken.notify();
  }
}

io::Task<> JobScheduler::stop(io::Deadline grace) {
  drain();
  co_return co_await scope_.close(grace);
}

io::Task<> JobScheduler::run() {
  while (!stopping_) {
    if (!everything_changed_ && changed_.empty()) {
      co_await work_.wait();
      continue;
    }
    const auto refreshed = co_await refresh();
    if (!refreshed.has_value()) {
      log::warning("the jobs of apps cannot be read, they are tried again: {}",
                   refreshed.error().message());
      [[maybe_unused]] const auto woken =
          co_await work_.wait(reactor_.deadline_after(options_.retry_pause));
    }
  }
  co_return {};
}

// What could not be read stays noted.
io::Task<> JobScheduler::refresh() {
  SELVEDGE_CO_TRY(auto index, co_await options_.store_helpers.run(
                                  reactor_, [store = store_, known = index_revision_]() mutable {
                                    return store.index(known);
                                  }));
  if (index.has_value()) {
    index_revision_ = std::move(index->revision);
    std::set<std::string> names(index->apps.begin(), index->apps.end());
    for (const std::string& name : index_) {
      if (!names.contains(name)) {
        end_entry(name);
      }
    }
    for (const std::string& name : names) {
      if (!index_.contains(name)) {
        changed_.insert(name);
      }
    }
    index_ = std::move(names);
  }
  if (std::exchange(everything_changed_, false)) {
    changed_.insert(index_.begin(), index_.end());
  }
  Result<> all;
  for (const std::string& app : std::exchange(changed_, {})) {
    if (stopping_ || !index_.contains(app)) {
      continue;
    }
    if (auto loaded = co_await load(app); !loaded.has_value()) {
      changed_.insert(app);
      all = std::move(loaded);
    }
  }
  co_return all;
}

void JobScheduler::end_entry(const std::string& app) {
  if (const auto found = entries_.find(app); found != entries_.end()) {
    found->second->ended = true;
    found->second->woken.notify();
    entries_.erase(found);
  }
}

io::Task<> JobScheduler::load(std::string app) {
  auto jobs = co_await options_.store_helpers.run(
      reactor_, [store = store_, app]() mutable { return store.jobs(app); });
  if (!jobs.has_value() && !is_lasting(jobs.error())) {
    co_return fail(std::move(jobs).error());
  }
  if (!jobs.has_value()) {
    log::warning("app={} its jobs are not run: {}", app, jobs.error().message());
  }
  const auto known = entries_.find(app);
  if (known != entries_.end() && jobs.has_value() && known->second->jobs == *jobs) {
    wake(app);
    co_return {};
  }
  end_entry(app);
  if (!jobs.has_value() || (jobs->jobs.empty() && jobs->kept.empty()) || stopping_) {
    co_return {};
  }
  auto entry = std::make_shared<Entry>(reactor_);
  entry->app = app;
  entry->jobs = *std::move(jobs);
  for (std::size_t i = 0; i < entry->jobs.jobs.size(); ++i) {
    scope_.spawn(follow(entry, i));
  }
  for (const AppJobs::Kept& kept : entry->jobs.kept) {
    scope_.spawn(keep(entry, kept));
  }
  entries_.emplace(std::move(app), std::move(entry));
  co_return {};
}

io::Task<> JobScheduler::follow(EntryPointer entry, std::size_t index) {
  const ScheduledJob job{
      .app = entry->app, .version = entry->jobs.version, .config = entry->jobs.jobs[index]};
  std::optional<Seen> seen;
  std::string attempted;
  while (!entry->ended) {
    const auto again = co_await advance(entry, job, seen, attempted);
    if (!again.has_value()) {
      if (again.error().kind() != ErrorKind::kConflict) {
        log::warning("app={} job={} waits: {}", job.app, job.config.name, again.error().message());
        SELVEDGE_CO_TRY_VOID(co_await pause(entry));
      }
    }
  }
  co_return {};
}

// Asks often enough that the version is never idle for its time, and soon finds one that has ended.
io::Task<> JobScheduler::keep(EntryPointer entry, AppJobs::Kept kept) {
  const base::Duration interval =
      std::clamp(kept.idle_time_max / 2, kKeepIntervalMin, options_.wall_check_interval);
  while (!entry->ended) {
    const auto done = co_await options_.actions.keep_started(entry->app, kept.version);
    if (!done.has_value()) {
      log::warning("app={} version={} is not kept started: {}", entry->app, kept.version,
                   done.error().message());
    }
    const io::Deadline deadline =
        reactor_.deadline_after(done.has_value() ? interval : options_.retry_pause);
    while (!entry->ended && !deadline.passed()) {
      [[maybe_unused]] const auto woken = co_await entry->woken.wait(deadline);
    }
  }
  co_return {};
}

io::Task<> JobScheduler::pause(EntryPointer entry) {
  [[maybe_unused]] const auto woken =
      co_await entry->woken.wait(reactor_.deadline_after(options_.retry_pause));
  co_return {};
}

io::Task<bool> JobScheduler::advance(EntryPointer entry, const ScheduledJob& job,
                                     std::optional<Seen>& seen, std::string& attempted) {
  const std::uint64_t wakes = entry->wakes;
  SELVEDGE_CO_TRY(auto stored, co_await read(job.app, job.config.name));
  if (entry->ended) {
    co_return false;
  }
  bool claim_ended = false;
  base::MonotonicTime lease_end = base::MonotonicTime::max();
  if (const auto& claim = stored.state.claim; claim.has_value()) {
    if (claim->id == attempted && !attempted.empty()) {
      // It was written although the store's answer was lost.
      attempted.clear();
      SELVEDGE_CO_TRY_VOID(co_await carry_out(job, std::move(stored)));
      co_return true;
    }
    if (!seen.has_value() || seen->id != claim->id || seen->attempt != claim->attempt) {
      seen = Seen{.id = claim->id, .attempt = claim->attempt, .since = reactor_.now()};
    }
    lease_end = seen->since +
                std::chrono::milliseconds(std::min<std::uint64_t>(claim->lease_ms, kLeaseMsMax));
    claim_ended = reactor_.now() >= lease_end;
  }
  const std::string id = new_id();
  const JobStep step =
      next_step(stored.state, job, reactor_.clock().wall_now(), claim_ended, options_.node, id);
  if (!step.write) {
    SELVEDGE_CO_TRY_VOID(co_await wait(entry, wakes, step.at, lease_end));
    co_return true;
  }
  if (step.run) {
    attempted = id;
  }
  SELVEDGE_CO_TRY(stored.revision,
                  co_await write(job.app, job.config.name, stored.state, stored.revision));
  if (step.run) {
    attempted.clear();
    SELVEDGE_CO_TRY_VOID(co_await carry_out(job, std::move(stored)));
  }
  co_return true;
}

// Until the wall clock shows `at`, the lease has ended, or something changed.
io::Task<> JobScheduler::wait(EntryPointer entry, std::uint64_t wakes, base::WallTime at,
                              base::MonotonicTime lease_end) {
  while (!entry->ended && entry->wakes == wakes) {
    const base::WallTime now = reactor_.clock().wall_now();
    if (now >= at || reactor_.now() >= lease_end) {
      break;
    }
    const base::Duration left = std::min<base::Duration>(at - now, options_.wall_check_interval);
    const io::Deadline deadline =
        reactor_.deadline_after(left).or_sooner(reactor_.deadline_at(lease_end));
    [[maybe_unused]] const auto woken = co_await entry->woken.wait(deadline);
  }
  co_return {};
}

io::Task<JobStore::Stored> JobScheduler::read(std::string app, std::string job) {
  return options_.store_helpers.run(
      reactor_, [store = store_, app = std::move(app), job = std::move(job)]() mutable {
        return store.state(app, job);
      });
}

io::Task<store::Revision> JobScheduler::write(std::string app, std::string job, JobState state,
                                              std::optional<store::Revision> seen) {
  return options_.store_helpers.run(
      reactor_,
      [store = store_, app = std::move(app), job = std::move(job), state = std::move(state),
       seen = std::move(seen)]() mutable { return store.put_state(app, job, state, seen); });
}

std::string JobScheduler::new_id() {
  std::array<std::byte, kIdBytes> bytes{};
  options_.random.fill(bytes);
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

void JobScheduler::wake(const std::string& app) {
  if (const auto found = entries_.find(app); found != entries_.end()) {
    ++found->second->wakes;
    found->second->woken.notify();
  }
}

}  // namespace selvedge::app
