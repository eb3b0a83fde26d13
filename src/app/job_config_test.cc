#include "app/job_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/app_config.h"
#include "base/format.h"

// Goal: what `jobs` and `health_checks` of app.yaml mean, in all their spellings, and what is said
// of mistakes.

namespace selvedge::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string error_of(std::string_view more) {
  const auto parsed = parse_app_config(fmt::format("kind: wasmer.io/App.v0\n{}", more), "app.yaml");
  return parsed.has_value() ? "" : parsed.error().message();
}

AppConfig config_of(std::string_view more) {
  auto parsed = parse_app_config(fmt::format("kind: wasmer.io/App.v0\n{}", more), "app.yaml");
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  return parsed.has_value() ? *std::move(parsed) : AppConfig{};
}

TEST(JobConfig, ReadsAJobThatFetches) {
  const AppConfig config = config_of(R"(
jobs:
  - name: nightly
    trigger: "0 3 * * *"
    timeout: 5m
    max_schedule_drift: 1h
    retries: 2
    jitter_percent_max: 20
    jitter_percent_min: 5
    action:
      fetch:
        path: /jobs/nightly?full=1
        method: POST
        headers:
          - name: x-token
            value: abc
        body: "{}"
        timeout: 30s
        expect:
          status_codes: [200, 202]
          body_includes: done
          body_regex: "rows=[0-9]+"
)");
  EXPECT_THAT(config.warnings, IsEmpty());
  ASSERT_EQ(config.jobs.size(), 1U);
  const JobConfig& job = config.jobs[0];
  EXPECT_EQ(job.name, "nightly");
  EXPECT_EQ(job.trigger, *parse_job_trigger("0 3 * * *"));
  EXPECT_EQ(job.timeout, std::chrono::minutes(5));
  EXPECT_EQ(job.drift_max, std::chrono::hours(1));
  EXPECT_EQ(job.retries, 2U);
  EXPECT_EQ(job.jitter_percent_max, 20U);
  EXPECT_EQ(job.jitter_percent_min, 5U);
  const auto& fetch = std::get<HttpCheck>(job.action);
  EXPECT_EQ(fetch.path, "/jobs/nightly?full=1");
  EXPECT_EQ(fetch.method, "POST");
  EXPECT_THAT(fetch.headers, ElementsAre(Pair("x-token", "abc")));
  EXPECT_EQ(fetch.content, "{}");
  EXPECT_EQ(fetch.timeout, std::chrono::seconds(30));
  EXPECT_THAT(fetch.expect.status_codes, ElementsAre(200, 202));
  EXPECT_EQ(fetch.expect.body_includes, "done");
  EXPECT_EQ(fetch.expect.body_regex, "rows=[0-9]+");
}

TEST(JobConfig, ReadsAJobThatExecutes) {
  const AppConfig config = config_of(R"(
jobs:
  - name: migrate
    trigger: post-deployment
    action:
      execute:
        package: .
        command: migrate
        cli_args: [--all]
        env: {MODE: fast}
        capabilities: {memory: {limit: 64MiB}}
        volumes: [{name: a, mount: /a}]
)");
  ASSERT_EQ(config.jobs.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<AfterDeployment>(config.jobs[0].trigger.when));
  const auto& execute = std::get<JobExecute>(config.jobs[0].action);
  EXPECT_EQ(execute.command, "migrate");
  EXPECT_THAT(execute.arguments, ElementsAre("--all"));
  EXPECT_THAT(execute.environment, ElementsAre(Pair("MODE", "fast")));
  EXPECT_EQ(execute.memory_bytes_max, std::uint64_t{64} << 20);
  EXPECT_THAT(config.warnings,
              ElementsAre(HasSubstr("jobs[0].action.execute.volumes has no effect")));
}

TEST(JobConfig, DefaultsAreThoseOfTheDocumentation) {
  const AppConfig config = config_of(
      "jobs: [{name: a, trigger: 15m, jitter_percent_max: 50, action: {fetch: {path: /a}}}]");
  ASSERT_EQ(config.jobs.size(), 1U);
  EXPECT_EQ(config.jobs[0].timeout, std::chrono::minutes(10));
  EXPECT_EQ(config.jobs[0].retries, 0U);
  EXPECT_EQ(config.jobs[0].jitter_percent_min, 10U);
}

TEST(JobConfig, Triggers_AreIntervalsOrSchedules) {
  EXPECT_EQ(parse_job_trigger("15m")->when,
            (std::variant<CronSchedule, JobInterval, AfterDeployment>(
                JobInterval{.length = std::chrono::minutes(15)})));
  EXPECT_TRUE(std::holds_alternative<CronSchedule>(parse_job_trigger("@hourly")->when));
  EXPECT_TRUE(std::holds_alternative<CronSchedule>(parse_job_trigger("5 4 * * *")->when));
}

TEST(JobConfig, TheTimeZone_IsBesideTheTriggerOrInIt) {
  const AppConfig config = config_of(R"(
jobs:
  - {name: a, trigger: 0 3 * * *, timezone: europe/zurich, action: {execute: {}}}
  - {name: b, trigger: CRON_TZ=Europe/Zurich 0 3 * * *, action: {execute: {}}}
  - {name: c, trigger: 0 3 * * *, action: {execute: {}}}
  - {name: d, trigger: TZ=Europe/Zurich 0 3 * * *, timezone: Europe/Zurich, action: {execute: {}}}
)");
  EXPECT_THAT(config.warnings, IsEmpty());
  ASSERT_EQ(config.jobs.size(), 4U);
  EXPECT_EQ(config.jobs[0].trigger.zone()->name(), "Europe/Zurich");
  EXPECT_EQ(config.jobs[0].trigger.when, config.jobs[1].trigger.when);
  EXPECT_EQ(config.jobs[0].trigger.when, config.jobs[3].trigger.when);
  EXPECT_EQ(config.jobs[2].trigger.zone(), nullptr);
  EXPECT_EQ(config.jobs[0].trigger.text, "0 3 * * *");
  EXPECT_EQ(config.jobs[0].trigger.identity(), "CRON_TZ=Europe/Zurich 0 3 * * *");
  EXPECT_EQ(config.jobs[1].trigger.identity(), "CRON_TZ=Europe/Zurich 0 3 * * *");
  EXPECT_EQ(config.jobs[2].trigger.identity(), "0 3 * * *");
  EXPECT_EQ(parse_job_trigger("0 3 * * *", *wire::TimeZone::find("UTC"))->identity(), "0 3 * * *");
}

TEST(JobConfig, TheTimeZoneOfAnInterval_HasNoEffectAndSaysSo) {
  const AppConfig config =
      config_of("jobs: [{name: a, trigger: 15m, timezone: UTC, action: {execute: {}}}]");
  EXPECT_THAT(config.warnings, ElementsAre(HasSubstr("jobs[0].timezone has no effect here: only a "
                                                     "schedule of cron is in a time zone")));
}

TEST(JobConfig, Mistakes_AreNamedWithTheirPlace) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{"jobs: {a: b}", "app.yaml:2:7: jobs must be a list"},
           Case{"jobs: [{trigger: 1m}]", "app.yaml:2:8: jobs[0].name is missing"},
           Case{"jobs: [{name: A_b}]", "app.yaml:2:15: jobs[0].name must be small letters"},
           Case{"jobs: [{name: a}]", "app.yaml:2:8: jobs[0].trigger is missing"},
           Case{"jobs: [{name: a, trigger: pre-deployment}]",
                "app.yaml:2:27: jobs[0].trigger: pre-deployment is not there"},
           Case{"jobs: [{name: a, trigger: '61 * * * *'}]",
                "jobs[0].trigger: the minute must be 0 to 59, not 61"},
           Case{"jobs: [{name: a, trigger: 10ms}]", "an interval must be at least 1s"},
           Case{"jobs: [{name: a, trigger: 10 minutes}]", "has not five fields"},
           Case{"jobs: [{name: a, trigger: 1m}]",
                "jobs[0].action must have either fetch or execute"},
           Case{"jobs: [{name: a, trigger: 1m, action: {fetch: {}, execute: {}}}]",
                "app.yaml:2:39: jobs[0].action must have either"},
           Case{"jobs: [{name: a, trigger: 1m, timeout: 2d}]",
                "jobs[0].timeout must be at most 24h"},
           Case{"jobs: [{name: a, trigger: 1m, retries: 21}]", "whole number from 0 to 20"},
           Case{"jobs: [{name: a, trigger: 1m, jitter_percent_min: 5}]",
                "must be at most jitter_percent_max"},
           Case{"jobs: [{name: a, trigger: 1m, jitter_percent_max: 101}]", "from 0 to 100"},
           Case{"jobs: [{name: a, trigger: 1m, action: {fetch: {path: a}}}]",
                "jobs[0].action.fetch.path must begin with \"/\""},
           Case{"jobs: [{name: a, trigger: 1m, action: {fetch: {path: '/ b'}}}]",
                "jobs[0].action.fetch is no request that can be sent"},
           Case{"jobs: [{name: a, trigger: 1m, action: {fetch: {headers: [{name: 'a b'}]}}}]",
                "is no request that can be sent"},
           Case{"jobs: [{name: a, trigger: 1m, action: {fetch: {headers: [{value: b}]}}}]",
                "headers[0].name is missing"},
           Case{"jobs: [{name: a, trigger: 1m, action: {fetch: {method: CONNECT}}}]", "CONNECT"},
           Case{"jobs: [{name: a, trigger: 1m, action: {execute: {package: other/one}}}]",
                "jobs[0].action.execute.package can only be the app's own package (\".\") yet"},
           Case{"jobs: [{name: a, trigger: 1m, action: {execute: {}}}, "
                "{name: a, trigger: 1m, action: {execute: {}}}]",
                "there are two jobs a"},
           Case{"jobs: [{name: a, trigger: '@daily', timezone: Europe/Zurch}]",
                "app.yaml:2:47: jobs[0].timezone: there is no time zone \"Europe/Zurch\""},
           Case{"jobs: [{name: a, trigger: 'CRON_TZ=Tokyo @daily'}]",
                "app.yaml:2:27: jobs[0].trigger: there is no time zone \"Tokyo\""},
           Case{"jobs: [{name: a, trigger: 'TZ=UTC @daily', timezone: Europe/Zurich}]",
                "jobs[0].trigger: its time zone is both UTC and Europe/Zurich: name it once"},
       }) {
    EXPECT_THAT(error_of(c.text), HasSubstr(c.message)) << c.text;
  }
}

TEST(HealthCheckConfig, BothSpellingsOfWhatIsExpected_AreRead) {
  const AppConfig nested = config_of(R"(
health_checks:
  - http:
      path: /health
      interval: 10s
      timeout: 2s
      unhealthy_threshold: 3
      healthy_threshold: 2
      expect: {status_codes: [204], body_includes: ok, body_regex: "^o"}
)");
  const AppConfig flat = config_of(R"(
health_checks:
  - http:
      path: /health
      interval: 10s
      timeout: 2s
      unhealthy_threshold: 3
      healthy_threshold: 2
      expected_status_codes: [204]
      expected_body_includes: ok
      expected_body_regex: "^o"
)");
  EXPECT_THAT(nested.warnings, IsEmpty());
  EXPECT_THAT(flat.warnings, IsEmpty());
  ASSERT_EQ(nested.health_checks.size(), 1U);
  EXPECT_EQ(nested.health_checks, flat.health_checks);
  const HealthCheckConfig& check = nested.health_checks[0];
  EXPECT_EQ(check.interval, std::chrono::seconds(10));
  EXPECT_EQ(check.http.timeout, std::chrono::seconds(2));
  EXPECT_EQ(check.unhealthy_threshold, 3U);
  EXPECT_EQ(check.healthy_threshold, 2U);
  EXPECT_THAT(check.http.expect.status_codes, ElementsAre(204));
}

TEST(HealthCheckConfig, DefaultsAreThoseOfTheDocumentation) {
  const AppConfig config = config_of("health_checks: [{http: {path: /health}}]");
  ASSERT_EQ(config.health_checks.size(), 1U);
  EXPECT_EQ(config.health_checks[0].interval, std::chrono::seconds(60));
  EXPECT_EQ(config.health_checks[0].unhealthy_threshold, 1U);
  EXPECT_EQ(config.health_checks[0].healthy_threshold, 1U);
  EXPECT_EQ(config.health_checks[0].http.method, "GET");
}

TEST(HealthCheckConfig, Mistakes_AreNamedWithTheirPlace) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{"health_checks: [{}]", "app.yaml:2:17: health_checks[0].http is missing"},
           Case{"health_checks: [{http: {interval: 50ms}}]", "must be at least 100ms"},
           Case{"health_checks: [{http: {unhealthy_threshold: 0}}]", "from 1 to 100"},
           Case{"health_checks: [{http: {expect: {status_codes: [700]}}}]",
                "must be status codes from 200 to 599, not \"700\""},
           Case{"health_checks: [{http: {expect: {body_regex: '('}}}]",
                "app.yaml:2:46: health_checks[0].http.expect.body_regex: \"(\" is not a regular "
                "expression"},
           Case{"health_checks: [{http: {expect: {body_regex: '((a{100}){100}){100}'}}}]",
                "is not a regular expression"},
           Case{"health_checks: [{http: {expect: {body_includes: a}, expected_body_includes: b}}]",
                "says again"},
       }) {
    EXPECT_THAT(error_of(c.text), HasSubstr(c.message)) << c.text;
  }
}

TEST(HttpCheck, AnswersAreComparedWithWhatIsExpected) {
  EXPECT_TRUE(check_answer({}, 204, "").has_value());
  EXPECT_EQ(check_answer({}, 302, "").error().message(), "answered 302, not 200 to 299");
  const HttpExpectation expect{
      .status_codes = {200, 503}, .body_includes = "ready", .body_regex = "^all (is )?ready$"};
  EXPECT_TRUE(check_answer(expect, 503, "all ready").has_value());
  EXPECT_EQ(check_answer(expect, 500, "all ready").error().message(),
            "answered 500, not 200 or 503");
  EXPECT_THAT(check_answer(expect, 200, "no").error().message(), HasSubstr("without \"ready\""));
  EXPECT_THAT(check_answer(expect, 200, "not ready").error().message(),
              HasSubstr("nothing that matches"));
}

}  // namespace
}  // namespace selvedge::app
