// The keys of what a node keeps and how much of it: the store, limits, whose packages, logs and
// metrics.

#include <array>

#include "app/app_records.h"
#include "app/package_signature.h"
#include "base/format.h"
#include "engine/engine.h"
#include "io/shard.h"
#include "node/internal/config_keys.h"
#include "node/listen_address.h"

namespace selvedge::node::internal {
namespace {

using Path = std::filesystem::path;

constexpr std::uint64_t kMemoryBytesMin = std::uint64_t{64} << 20;
constexpr std::uint64_t kMemoryBytesMax = std::uint64_t{1} << 50;
constexpr std::uint64_t kBlobCacheBytesMin = std::uint64_t{1} << 20;
constexpr std::uint64_t kBlobCacheBytesMax = std::uint64_t{1} << 50;
constexpr base::Duration kCollectIntervalMin = std::chrono::minutes(1);
constexpr base::Duration kCollectGraceMin = std::chrono::hours(1);
constexpr std::uint64_t kLogBytesMax = std::uint64_t{1} << 50;

Result<> set_collect_interval(ConfigDraft& draft, const ConfigValue& value) {
  const auto interval = std::get<base::Duration>(value);
  if (interval < kCollectIntervalMin) {
    return fail(ErrorKind::kInvalid, "a minute is the shortest interval");
  }
  draft.options.collect_interval = interval;
  return {};
}

Result<> set_collect_grace(ConfigDraft& draft, const ConfigValue& value) {
  const auto grace = std::get<base::Duration>(value);
  if (grace < kCollectGraceMin) {
    return fail(ErrorKind::kInvalid, "an hour is the shortest grace");
  }
  draft.options.collect_grace = grace;
  return {};
}

Result<> set_store_kind(ConfigDraft& draft, const ConfigValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text != "directory" && text != "s3") {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is no kind of store: write \"directory\" or \"s3\"", text);
  }
  draft.store_kind = text == "s3" ? StoreKind::kS3 : StoreKind::kDirectory;
  return {};
}

Result<> set_addressing(ConfigDraft& draft, const ConfigValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text != "path" && text != "virtual-host") {
    return fail_format(ErrorKind::kInvalid, "\"{}\" is not one of \"path\" and \"virtual-host\"",
                       text);
  }
  draft.s3.addressing =
      text == "path" ? store::S3Addressing::kPath : store::S3Addressing::kVirtualHost;
  return {};
}

// "publishers.ada" = ["5a1d…"].
Result<> set_publisher(ConfigDraft& draft, const ConfigValue& value) {
  const auto& keys = std::get<std::vector<std::string>>(value);
  if (!app::is_package_name(draft.name + "/x")) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not the owner of packages: small letters, digits, \"-\", \"_\" "
                       "and \".\"",
                       draft.name);
  }
  if (keys.empty() || keys.size() > app::kPublisherKeysMax) {
    return fail_format(ErrorKind::kInvalid, "there must be 1 to {} keys", app::kPublisherKeysMax);
  }
  for (const std::string& key : keys) {
    SELVEDGE_TRY_VOID(app::parse_publisher_key(key));
  }
  draft.options.publishers.keys[draft.name] = keys;
  return {};
}

constexpr std::array kKeys{
    ConfigKey{.path = "store.kind",
              .type = ConfigType::kText,
              .fallback = "`s3` when there is a `[store.s3]`, else `directory`",
              .description =
                  "`directory`: files of this machine, or of a file system that nodes share. `s3`: "
                  "a bucket of an S3 server.",
              .example = "\"s3\"",
              .set = &set_store_kind},
    ConfigKey{.path = "store.path",
              .type = ConfigType::kPath,
              .fallback = "`store` in the data folder",
              .description = "The folder of a directory store (`--store`).",
              .example = "\"/mnt/shared/store\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.store_folder = std::get<Path>(value);
                return {};
              }},
    ConfigKey{.path = "store.versions_kept",
              .type = ConfigType::kInteger,
              .fallback = "`50`",
              .description =
                  "Of each app, the newest versions: a collection removes the others, but for "
                  "those that are active.",
              .example = "20",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.versions_kept = std::get<std::uint64_t>(value);
                return {};
              },
              .min = 2,
              .max = app::kVersionMax},
    ConfigKey{.path = "store.collect_interval",
              .type = ConfigType::kDuration,
              .fallback = "`24h`",
              .description = "How often the node removes from the store what nothing needs, on "
                             "average (`selvedge cluster collect` does it at once).",
              .example = "\"12h\"",
              .set = &set_collect_interval},
    ConfigKey{.path = "store.collect_grace",
              .type = ConfigType::kDuration,
              .fallback = "`24h`",
              .description =
                  "How long blobs that nothing needs stay after the last deploy that had them, by "
                  "the store's clock: at least an hour, longer than any deploy may take.",
              .example = "\"48h\"",
              .set = &set_collect_grace},
    ConfigKey{
        .path = "store.s3.endpoint",
        .type = ConfigType::kText,
        .fallback = "required",
        .description =
            "URL of the server, without a path. Plain `http://` protects neither from reading "
            "nor from changes on the way.",
        .example = "\"https://s3.eu-central-1.amazonaws.com\"",
        .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
          draft.s3.endpoint = std::get<std::string>(value);
          return {};
        }},
    ConfigKey{.path = "store.s3.region",
              .type = ConfigType::kText,
              .fallback = "`us-east-1`",
              .description = "The region that requests are signed for.",
              .example = "\"eu-central-1\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.s3.region = std::get<std::string>(value);
                return {};
              }},
    ConfigKey{.path = "store.s3.bucket",
              .type = ConfigType::kText,
              .fallback = "required",
              .description = "An existing bucket, which holds nothing else.",
              .example = "\"selvedge\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.s3.bucket = std::get<std::string>(value);
                return {};
              }},
    ConfigKey{.path = "store.s3.addressing",
              .type = ConfigType::kText,
              .fallback = "`path`",
              .description =
                  "`path`: the bucket is the first part of the URL's path; `virtual-host`: of its "
                  "host.",
              .example = "\"virtual-host\"",
              .set = &set_addressing},
    ConfigKey{.path = "store.s3.access_key_file",
              .type = ConfigType::kPath,
              .fallback = "the variable `AWS_ACCESS_KEY_ID`",
              .description = "A file with the access key and nothing else.",
              .example = "\"/etc/selvedge/s3-access-key\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.s3.access_key_file = std::get<Path>(value);
                return {};
              }},
    ConfigKey{.path = "store.s3.secret_key_file",
              .type = ConfigType::kPath,
              .fallback = "the variable `AWS_SECRET_ACCESS_KEY`",
              .description =
                  "A file with the secret key and nothing else. Both files are given, or none; "
                  "`AWS_SESSION_TOKEN` counts only without them.",
              .example = "\"/etc/selvedge/s3-secret-key\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.s3.secret_key_file = std::get<Path>(value);
                return {};
              }},
    ConfigKey{.path = "store.s3.ca_file",
              .type = ConfigType::kPath,
              .fallback = "the system's certificates",
              .description = "Certificates (PEM) that the server's must descend from.",
              .example = "\"/etc/selvedge/s3-ca.pem\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.s3.ca_file = std::get<Path>(value).string();
                return {};
              }},
    ConfigKey{.path = "limits.shards",
              .type = ConfigType::kInteger,
              .fallback = "one per core",
              .description = "Threads that serve (`--shards`).",
              .example = "4",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.shards = std::get<std::uint64_t>(value);
                return {};
              },
              .min = 1,
              .max = io::ShardGroup::kShardsMax},
    ConfigKey{.path = "limits.instances",
              .type = ConfigType::kInteger,
              .fallback = "1024 for each shard",
              .description = "Instances of programs that run at once in the node.",
              .example = "4000",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.instances_max = std::get<std::uint64_t>(value);
                return {};
              },
              .min = 16,
              .max = engine::kInstancesMax},
    ConfigKey{.path = "limits.memory",
              .type = ConfigType::kBytes,
              .fallback = "90 % of what the machine, or the process's control group, has",
              .description =
                  "Memory of the node with all its programs. Near it, apps that no request is in "
                  "end, those first that were used longest ago; at it, no further app is started "
                  "(503).",
              .example = "\"6GiB\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.memory_bytes_max = std::get<std::uint64_t>(value);
                return {};
              },
              .min = kMemoryBytesMin,
              .max = kMemoryBytesMax},
    ConfigKey{
        .path = "limits.drain_time",
        .type = ConfigType::kDuration,
        .fallback = "`30s`",
        .description = "How long requests may go on after SIGTERM.",
        .example = "\"60s\"",
        .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
          draft.options.drain_time_max = std::get<base::Duration>(value);
          return {};
        },
        .take = [](NodeOptions& running,
                   const NodeOptions& read) { running.drain_time_max = read.drain_time_max; }},
    ConfigKey{.path = "limits.blob_cache_bytes",
              .type = ConfigType::kBytes,
              .fallback = "`10GiB`",
              .description =
                  "Modules and volumes that the node keeps copies of, when its store is not in the "
                  "data folder; what was used longest ago goes first.",
              .example = "\"50GiB\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.blob_cache_bytes_max = std::get<std::uint64_t>(value);
                return {};
              },
              .min = kBlobCacheBytesMin,
              .max = kBlobCacheBytesMax},
    ConfigKey{.path = "limits.artifact_cache_bytes",
              .type = ConfigType::kBytes,
              .fallback = "`4GiB`",
              .description = "Compiled programs that the node keeps; what was used longest ago "
                             "goes first, and is compiled again when it is needed.",
              .example = "\"20GiB\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.artifact_cache_bytes_max = std::get<std::uint64_t>(value);
                return {};
              },
              .min = kBlobCacheBytesMin,
              .max = kBlobCacheBytesMax},
    ConfigKey{.path = "packages.require_signatures",
              .type = ConfigType::kBoolean,
              .fallback = "`false`",
              .description =
                  "Only packages that their publisher has signed are published, deployed "
                  "and run here: `[publishers]` has the keys.",
              .example = "true",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.publishers.signatures_required = std::get<bool>(value);
                return {};
              }},
    ConfigKey{.path = "publishers.OWNER",
              .type = ConfigType::kTexts,
              .fallback = "anyone may publish `OWNER/…`, unsigned",
              .description =
                  "Public keys (`selvedge package keygen`), one of which must have signed "
                  "every package `OWNER/…`; `OWNER` is the owner's name.",
              .example = "[\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"]",
              .set = &set_publisher},
    ConfigKey{.path = "logs.app_bytes",
              .type = ConfigType::kBytes,
              .fallback = "`16MiB`",
              .description =
                  "What is kept of one app's log on this node; what was written longest ago goes "
                  "first.",
              .example = "\"64MiB\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.log_limits.app_bytes_max = std::get<std::uint64_t>(value);
                return {};
              },
              .min = logs::kAppBytesMin,
              .max = kLogBytesMax},
    ConfigKey{.path = "logs.total_bytes",
              .type = ConfigType::kBytes,
              .fallback = "`1GiB`",
              .description = "The same for all apps together.",
              .example = "\"10GiB\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.log_limits.total_bytes_max = std::get<std::uint64_t>(value);
                return {};
              },
              .min = logs::kAppBytesMin,
              .max = kLogBytesMax},
    ConfigKey{.path = "metrics.listen",
              .type = ConfigType::kText,
              .fallback = "nowhere: `GET /v1/metrics` of the admin API",
              .description =
                  "Where `GET /metrics` answers with counters of the node and its apps, for "
                  "Prometheus. Whoever can connect may read them, names of apps included: keep it "
                  "to this machine or to a network of your own.",
              .example = "\"127.0.0.1:9100\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                SELVEDGE_TRY(draft.options.metrics_listen,
                             parse_listen_address(std::get<std::string>(value)));
                return {};
              }},
    ConfigKey{.path = "metrics.apps",
              .type = ConfigType::kInteger,
              .fallback = "1000",
              .description = "Apps that have counters of their own; further ones are counted "
                             "together, as the app `other`.",
              .example = "100",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.metrics_apps_max = std::get<std::uint64_t>(value);
                return {};
              },
              .min = 1,
              .max = 100'000},
};

}  // namespace

std::span<const ConfigKey> config_keys_of_resources() { return kKeys; }

}  // namespace selvedge::node::internal
