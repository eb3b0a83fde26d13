#include "app/job_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "app/job_store.h"
#include "app/testing/app_world.h"
#include "base/system.h"

// Goal: what the store holds about jobs: its form, the times that are computed from it, and which
// apps the index names.

namespace selvedge::app {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kJobs = "jobs: [{name: a, trigger: 1h, action: {fetch: {path: /}}}]";

JobConfig job_of(std::string_view trigger) {
  return {.name = "job", .trigger = *parse_job_trigger(trigger), .action = HttpCheck()};
}

base::WallTime at(std::int64_t minute, std::int64_t second = 0) {
  return base::WallTime(hours(500'000) + minutes(minute) + seconds(second));
}

ScheduledJob scheduled(JobConfig config) {
  return {.app = "site", .version = 3, .config = std::move(config)};
}

// Of a job at every full hour.
JobState handled_until(base::WallTime time) {
  JobState state;
  state.trigger = "0 * * * *";
  state.handled_until_ms = to_milliseconds(time);
  return state;
}

TEST(JobState, SurvivesTheStore) {
  JobState state{.trigger = "1h",
                 .handled_until_ms = 1000,
                 .handled_version = 3,
                 .claim = JobClaim{.id = "id",
                                   .node = "n",
                                   .cause = JobCause::kRequest,
                                   .version = 3,
                                   .due_ms = 5,
                                   .started_ms = 6,
                                   .attempt = 2,
                                   .takeovers = 1,
                                   .lease_ms = 7},
                 .runs = {}};
  state.add({.cause = JobCause::kDeployment,
             .version = 2,
             .due_ms = 1,
             .started_ms = 2,
             .duration_ms = 3,
             .attempts = 4,
             .result = JobResult::kTimedOut,
             .message = std::string(10'000, 'x'),
             .node = "n"});
  EXPECT_EQ(state.runs[0].message.size(), kJobMessageBytesMax);
  const auto again = parse_job_state(to_json(state));
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(*again, state);
}

TEST(JobState, MalformedDocuments_AreRefused) {
  for (const char* text :
       {"", "[]", "{}", R"({"trigger":"1h","handled_until_ms":-1,"handled_version":0})",
        R"({"trigger":"1h","handled_until_ms":0,"handled_version":0,"runs":[{}]})",
        R"({"trigger":"1h","handled_until_ms":0,"handled_version":0,"claim":{}})"}) {
    EXPECT_FALSE(parse_job_state(text).has_value()) << text;
  }
}

TEST(JobTimes, Intervals_AreEvenAndDifferFromJobToJob) {
  const JobTimes times("site", job_of("15m"));
  const auto first = *times.next(at(0));
  EXPECT_GT(first, at(0));
  EXPECT_LE(first, at(15));
  EXPECT_EQ(*times.next(first), first + minutes(15));
  EXPECT_EQ(*times.next(first - milliseconds(1)), first);
  EXPECT_NE(first, *JobTimes("blog", job_of("15m")).next(at(0)));
}

TEST(JobTimes, Jitter_IsTheSameEverywhereAndWithinItsBounds) {
  JobConfig job = job_of("0 * * * *");
  job.jitter_percent_min = 10;
  job.jitter_percent_max = 50;
  const JobTimes times("site", job);
  base::WallTime due = at(0);
  for (int i = 0; i < 100; ++i) {
    due = *times.next(due);
    EXPECT_GE(times.start_of(due), due + minutes(6));
    EXPECT_LE(times.start_of(due), due + minutes(30));
    EXPECT_EQ(times.start_of(due), JobTimes("site", job).start_of(due));
  }
}

TEST(JobStep, AScheduleThatIsNew_BeginsNow) {
  JobState state;
  const ScheduledJob job = scheduled(job_of("0 * * * *"));
  EXPECT_TRUE(next_step(state, job, at(30), false, "n", "id").write);
  const JobStep step = next_step(state, job, at(30), false, "n", "id");
  EXPECT_FALSE(step.write);
  EXPECT_EQ(step.at, at(60));
}

TEST(JobStep, ATimeZoneThatIsNew_BeginsNowToo) {
  JobState state = handled_until(at(0));
  JobConfig config = job_of("0 * * * *");
  config.trigger = *parse_job_trigger("0 * * * *", *wire::TimeZone::find("Asia/Kathmandu"));
  EXPECT_TRUE(next_step(state, scheduled(config), at(30), false, "n", "id").write);
  EXPECT_EQ(state.trigger, "CRON_TZ=Asia/Kathmandu 0 * * * *");
  EXPECT_EQ(state.handled_until_ms, to_milliseconds(at(30)));
  EXPECT_EQ(next_step(state, scheduled(config), at(30), false, "n", "id").at, at(75));  // +05:45
}

TEST(JobStep, InTheHourThatComesTwice_ARunThatHasBeenIsNotDoneAgain) {
  const auto utc = [](int hour, int minute) {
    constexpr std::chrono::sys_days kSunday(std::chrono::year(2026) / std::chrono::October / 25);
    return base::WallTime(kSunday.time_since_epoch() + hours(hour) + minutes(minute));
  };
  const ScheduledJob job = scheduled(job_of("CRON_TZ=Europe/Berlin 30 2 * * *"));
  JobState state;
  state.trigger = job.config.trigger.identity();
  state.handled_until_ms = to_milliseconds(utc(0, 0));
  EXPECT_TRUE(next_step(state, job, utc(0, 30), false, "n", "id").run);
  EXPECT_EQ(state.handled_until_ms, to_milliseconds(utc(0, 30)));
  state.claim.reset();
  // 02:30 again on the clock of Berlin.
  const JobStep again = next_step(state, job, utc(1, 30), false, "n", "other");
  EXPECT_FALSE(again.write);
  EXPECT_EQ(again.at, utc(25, 30));
}

TEST(JobStep, ARunThatIsDue_IsClaimedOnce) {
  JobState state = handled_until(at(30));
  const ScheduledJob job = scheduled(job_of("0 * * * *"));
  const JobStep step = next_step(state, job, at(60), false, "n", "id");
  EXPECT_TRUE(step.write && step.run);
  ASSERT_TRUE(state.claim.has_value());
  EXPECT_EQ(state.claim->due_ms, to_milliseconds(at(60)));
  EXPECT_FALSE(next_step(state, job, at(61), false, "m", "other").write);
  state.claim.reset();
  EXPECT_EQ(next_step(state, job, at(61), false, "m", "other").at, at(120));
  EXPECT_EQ(next_step(state, job, at(0), false, "m", "other").at, at(120));  // the clock went back
}

TEST(JobStep, ARunThatIsLateByTheDriftExactly_IsStillRun) {
  JobState state = handled_until(at(30));
  JobConfig config = job_of("0 * * * *");
  config.drift_max = minutes(10);
  JobState other = state;
  EXPECT_TRUE(next_step(state, scheduled(config), at(70), false, "n", "id").run);
  EXPECT_TRUE(state.runs.empty());
  const JobStep late = next_step(other, scheduled(config), at(70, 1), false, "n", "id");
  EXPECT_TRUE(late.write && !late.run);
  ASSERT_EQ(other.runs.size(), 1U);
  EXPECT_EQ(other.runs[0].result, JobResult::kSkipped);
  EXPECT_EQ(next_step(other, scheduled(config), at(70, 1), false, "n", "id").at, at(120));
}

class JobIndexTest : public ::testing::Test {
 protected:
  std::vector<std::string> index() {
    auto made = jobs_.index(std::nullopt);
    EXPECT_TRUE(made.has_value());
    return (*made)->apps;
  }
  void activate(const std::string& app, VersionNumber version) {
    world_.activate(app, {{.version = version, .weight = 1}});
  }

  base::SystemClock clock_;
  testing::AppWorld world_{clock_};
  JobStore jobs_{world_.apps()};
};

TEST_F(JobIndexTest, NamesTheAppsWhoseActiveVersionsHaveJobs) {
  const auto site = world_.deploy("site", testing::cgi_program("x"), kJobs);
  const auto plain = world_.deploy("plain", testing::cgi_program("x"));
  EXPECT_THAT(index(), IsEmpty());
  activate("site", site);
  activate("plain", plain);
  EXPECT_THAT(index(), ElementsAre("site"));
  const auto blog = world_.deploy("blog", testing::cgi_program("x"), kJobs);
  activate("blog", blog);
  EXPECT_THAT(index(), ElementsAre("blog", "site"));
  const auto without = world_.deploy("site", testing::cgi_program("x"));
  activate("site", without);
  EXPECT_THAT(index(), ElementsAre("blog"));
  EXPECT_TRUE(world_.apps().remove_app("blog").has_value());
  EXPECT_THAT(index(), IsEmpty());
}

TEST_F(JobIndexTest, JobsAreThoseOfTheGreatestWeight) {
  const auto first = world_.deploy("site", testing::cgi_program("x"), kJobs);
  const auto second = world_.deploy("site", testing::cgi_program("x"));
  world_.activate("site", {{.version = second, .weight = 1}, {.version = first, .weight = 9}});
  const auto jobs = jobs_.jobs("site");
  ASSERT_TRUE(jobs.has_value());
  EXPECT_EQ(jobs->version, first);
  EXPECT_EQ(jobs->jobs.size(), 1U);
  EXPECT_TRUE(jobs_.jobs("nobody")->jobs.empty());
}

TEST_F(JobIndexTest, StatesChangeOnlyAsTheyWereSeen) {
  JobState state;
  state.trigger = "1h";
  const auto first = jobs_.put_state("site", "a", state, std::nullopt);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(jobs_.put_state("site", "a", state, std::nullopt).error().kind(), ErrorKind::kConflict);
  EXPECT_TRUE(jobs_.put_state("site", "a", state, *first).has_value());
  EXPECT_EQ(jobs_.put_state("site", "a", state, *first).error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(jobs_.state("site", "a")->state.trigger, "1h");
}

TEST_F(JobIndexTest, AMalformedState_IsNamed) {
  const auto key = store::Key::parse("apps/site/jobs/a");
  const std::string text = "{}";
  ASSERT_TRUE(world_.blobs().put(*key, base::as_bytes(text), store::Precondition::any()));
  EXPECT_THAT(jobs_.state("site", "a").error().message(),
              HasSubstr("the store's document apps/site/jobs/a is malformed"));
}

}  // namespace
}  // namespace selvedge::app
