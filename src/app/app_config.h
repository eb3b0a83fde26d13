#pragma once

// app.yaml: how a package is run as an app (`kind: wasmer.io/App.v0`). Parsing validates everything
// that can be decided without the package. Source of the schema: Wasmer's documentation of
// app.yaml; keys of ours are marked.
//
// Every error is one sentence that begins with file:line:column. Keys that have no effect here are
// warned about with the reason; unknown ones are kept and warned about.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/environment.h"
#include "app/health_check_config.h"
#include "app/job_config.h"
#include "app/manifest.h"
#include "base/clock.h"
#include "base/result.h"

namespace selvedge::app {

inline constexpr std::string_view kAppKind = "wasmer.io/App.v0";
inline constexpr std::size_t kAppConfigBytesMax = std::size_t{256} * 1024;
inline constexpr std::size_t kAppDomainsMax = 64;
inline constexpr std::uint64_t kAppMemoryBytesMin = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kAppMemoryBytesMax = std::uint64_t{4} << 30;
// A name is part of a host name's first label, with room for a version.
inline constexpr std::size_t kAppNameBytesMax = 48;

// Small letters, digits and single hyphens between them.
bool is_app_name(std::string_view text) noexcept;
// `text` in lower case. Invalid: not a fully qualified domain name of letters, digits and hyphens.
Result<std::string> parse_domain_name(std::string_view text);

struct AppScaling {
  // One request at a time in an instance (mode: single_concurrency).
  bool single_concurrency = false;
  // Ours. Requests at once on one shard, or in one instance of a program that listens and may have
  // several; nullopt: the runner's default.
  std::optional<std::size_t> concurrency_max;
  // Ours. Of an active version, kept started on every node whether there are requests or not. Not
  // above instances_max.
  std::size_t instances_min = 0;
  // Ours. At once on a node; more requests wait. nullopt: of a CGI program any number, of one that
  // listens what scaler_options() says.
  std::optional<std::size_t> instances_max;
  // Ours. Instances that had no request for so long end.
  base::Duration idle_time_max = std::chrono::minutes(5);
  // Ours. Between SIGTERM and the end of an instance.
  base::Duration stop_time_max = std::chrono::seconds(10);
};

struct AppConfig {
  std::optional<std::string> name;  // is_app_name
  // What to run: a path beside the file ("."), "owner/name@1.2", "sha256:…".
  std::string package = ".";
  std::vector<std::string> domains;  // lower case, each once
  Environment environment;
  std::vector<std::string> arguments;  // cli_args
  AppScaling scaling;
  std::vector<std::string> regions;  // locality.regions
  std::optional<std::uint64_t> memory_bytes_max;
  // Ours (limits.request_time, limits.cpu_time).
  std::optional<base::Duration> request_time_max;
  std::optional<base::Duration> cpu_time_max;
  // Ours (network.egress): rules as of --net; empty: connects to nothing.
  std::vector<std::string> egress;
  // redirect.force_https: of requests that a trusted proxy took without TLS.
  bool force_https = false;
  std::vector<HealthCheckConfig> health_checks;
  std::vector<JobConfig> jobs;
  std::vector<std::string> unknown;  // dotted paths of keys that this version does not know
  std::vector<std::string> warnings;
};

// `file_name` is only for messages. Invalid.
Result<AppConfig> parse_app_config(std::string_view text, std::string_view file_name);

}  // namespace selvedge::app
