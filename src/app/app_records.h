#pragma once

// The documents of apps in the store, and the keys they stand under:
//   packages/images/<identity>        a PackageImage
//   apps/<app>/versions/<number>      a VersionRecord, written once
//   apps/<app>/active                 an ActiveRecord, changed by compare-and-swap
//   domains/<name>                    a DomainRecord
//   uses, collection                  what deploys count on, and who collects (blob_uses.h)
//   changes                           a ChangeRecord: what nodes ask for to learn of all others
// The readers are strict, since anyone who can write to the store may have written them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/app_config.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/blake3.h"

namespace selvedge::app {

// Versions of an app are numbered from 1.
using VersionNumber = std::uint64_t;
inline constexpr VersionNumber kVersionMax = 999'999'999;
inline constexpr std::size_t kActiveVersionsMax = 16;
inline constexpr std::size_t kRetiringMax = 256;
inline constexpr std::uint32_t kWeightMax = 1'000'000;
inline constexpr std::size_t kChangesMax = 256;
inline constexpr std::size_t kRecordBytesMax = std::size_t{1} << 20;

struct VersionRecord {
  VersionNumber number = 0;
  crypto::Blake3Hash package;  // its identity
  // The text of app.yaml, as it came: what is unknown today may be known tomorrow.
  std::string config;
  std::int64_t created = 0;  // seconds since 1970
  friend bool operator==(const VersionRecord&, const VersionRecord&) = default;
};
std::string to_json(const VersionRecord& record);
Result<VersionRecord> parse_version_record(std::string_view json);

struct VersionWeight {
  VersionNumber version = 0;
  std::uint32_t weight = 1;  // its share of the sum; 1 to kWeightMax
  friend bool operator==(const VersionWeight&, const VersionWeight&) = default;
};

// Which versions requests go to. Each version once; at least one.
struct ActiveRecord {
  std::vector<VersionWeight> versions;
  // Old versions that are being removed: they cannot be chosen any more. Ascending.
  std::vector<VersionNumber> retiring = {};
  friend bool operator==(const ActiveRecord&, const ActiveRecord&) = default;
};
// Invalid: a sentence, when `record` does not hold what it must.
Result<> validate(const ActiveRecord& record);
std::string to_json(const ActiveRecord& record);
Result<ActiveRecord> parse_active_record(std::string_view json);
// One of the versions, by weight. `record` is valid.
VersionNumber choose_version(const ActiveRecord& record, base::Random& random);

struct DomainRecord {
  std::string app;
};
std::string to_json(const DomainRecord& record);
Result<DomainRecord> parse_domain_record(std::string_view json);

// The last changes of apps, oldest first; the number of the last one is `sequence`.
struct ChangeRecord {
  std::uint64_t sequence = 0;
  std::vector<std::string> apps;  // at most kChangesMax

  void add(std::string app);
  // What changed after `known`; nullopt when the list does not go back that far, or `known` is from
  // another store's future: then everything may have.
  std::optional<std::vector<std::string>> since(std::uint64_t known) const;
};
std::string to_json(const ChangeRecord& record);
Result<ChangeRecord> parse_change_record(std::string_view json);

// What a host name asks for: "<app>.<domain>" or "<app>--v<number>.<domain>".
struct AppHost {
  std::string app;
  std::optional<VersionNumber> version;
};
// `host`: without port, any case, perhaps with a final dot. nullopt: not of this domain, or no app
// can have that name.
std::optional<AppHost> parse_app_host(std::string_view host, std::string_view domain);
std::string app_host(std::string_view app, std::optional<VersionNumber> version,
                     std::string_view domain);

}  // namespace selvedge::app
