#include "app/app_records.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "app/json_reader.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

constexpr std::uint64_t kSequenceMax = std::uint64_t{1} << 62;

Result<VersionNumber> version_of(const JsonObject& object, std::string_view key) {
  SELVEDGE_TRY(const std::uint64_t number, object.integer(key, kVersionMax));
  if (number == 0) {
    return fail_format(ErrorKind::kInvalid, "{} must be at least 1", object.path_of(key));
  }
  return number;
}

// "v12"
std::optional<VersionNumber> parse_version_label(std::string_view text) {
  VersionNumber number = 0;
  if (!text.starts_with('v') || text.size() < 2 || text[1] == '0') {
    return std::nullopt;
  }
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data() + 1, end, number);
  if (error != std::errc() || parsed != end || number > kVersionMax) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::string to_json(const VersionRecord& record) {
  return json_text({{"version", record.number},
                    {"package", record.package.hex()},
                    {"config", record.config},
                    {"created", record.created}});
}

Result<VersionRecord> parse_version_record(std::string_view json) {
  SELVEDGE_TRY(const auto document, parse_json(json, "the version"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "version"));
  VersionRecord record;
  SELVEDGE_TRY(record.number, version_of(root, "version"));
  SELVEDGE_TRY(record.package, root.hash("package"));
  SELVEDGE_TRY(record.config, root.text("config"));
  SELVEDGE_TRY(const std::uint64_t created, root.integer("created", INT64_MAX));
  record.created = static_cast<std::int64_t>(created);
  return record;
}

Result<> validate(const ActiveRecord& record) {
  if (record.versions.empty() || record.versions.size() > kActiveVersionsMax) {
    return fail_format(ErrorKind::kInvalid, "1 to {} versions can be active, not {}",
                       kActiveVersionsMax, record.versions.size());
  }
  for (auto entry = record.versions.begin(); entry != record.versions.end(); ++entry) {
    if (entry->version == 0 || entry->version > kVersionMax) {
      return fail_format(ErrorKind::kInvalid, "there can be no version {}", entry->version);
    }
    if (entry->weight == 0 || entry->weight > kWeightMax) {
      return fail_format(ErrorKind::kInvalid, "the weight of version {} must be 1 to {}, not {}",
                         entry->version, kWeightMax, entry->weight);
    }
    if (std::find_if(record.versions.begin(), entry, [&](const VersionWeight& other) {
          return other.version == entry->version;
        }) != entry) {
      return fail_format(ErrorKind::kInvalid, "version {} is named twice", entry->version);
    }
  }
  return {};
}

std::string to_json(const ActiveRecord& record) {
  nlohmann::json versions = nlohmann::json::array();
  for (const VersionWeight& entry : record.versions) {
    versions.push_back({{"version", entry.version}, {"weight", entry.weight}});
  }
  nlohmann::json root{{"versions", std::move(versions)}};
  if (!record.retiring.empty()) {
    root["retiring"] = record.retiring;
  }
  return json_text(root);
}

Result<ActiveRecord> parse_active_record(std::string_view json) {
  SELVEDGE_TRY(const auto document, parse_json(json, "the choice of versions"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "active"));
  SELVEDGE_TRY(const auto entries, root.objects("versions"));
  ActiveRecord record;
  for (const JsonObject& entry : entries) {
    VersionWeight made;
    SELVEDGE_TRY(made.version, version_of(entry, "version"));
    SELVEDGE_TRY(const auto weight, entry.optional_integer("weight", kWeightMax));
    made.weight = static_cast<std::uint32_t>(weight.value_or(1));
    record.versions.push_back(made);
  }
  SELVEDGE_TRY(record.retiring, root.integers("retiring", kVersionMax));
  if (record.retiring.size() > kRetiringMax) {
    return fail(ErrorKind::kInvalid, "active.retiring is too long");
  }
  SELVEDGE_TRY_VOID(validate(record));
  return record;
}

VersionNumber choose_version(const ActiveRecord& record, base::Random& random) {
  if (record.versions.size() == 1) {
    return record.versions.front().version;
  }
  const std::uint64_t total = std::accumulate(
      record.versions.begin(), record.versions.end(), std::uint64_t{0},
      [](std::uint64_t sum, const VersionWeight& entry) { return sum + entry.weight; });
  std::uint64_t point = random.below(total);
  for (const VersionWeight& entry : record.versions) {
    if (point < entry.weight) {
      return entry.version;
    }
    point -= entry.weight;
  }
  return record.versions.back().version;
}

std::string to_json(const DomainRecord& record) { return json_text({{"app", record.app}}); }

Result<DomainRecord> parse_domain_record(std::string_view json) {
  SELVEDGE_TRY(const auto document, parse_json(json, "the domain"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "domain"));
  DomainRecord record;
  SELVEDGE_TRY(record.app, root.text("app"));
  if (!is_app_name(record.app)) {
    return fail(ErrorKind::kInvalid, "domain.app is not the name of an app");
  }
  return record;
}

void ChangeRecord::add(std::string app) {
  ++sequence;
  if (apps.size() == kChangesMax) {
    apps.erase(apps.begin());
  }
  apps.push_back(std::move(app));
}

std::optional<std::vector<std::string>> ChangeRecord::since(std::uint64_t known) const {
  if (known > sequence || sequence - known > apps.size()) {
    return std::nullopt;
  }
  return std::vector<std::string>(apps.end() - static_cast<std::ptrdiff_t>(sequence - known),
                                  apps.end());
}

std::string to_json(const ChangeRecord& record) {
  return json_text({{"sequence", record.sequence}, {"apps", record.apps}});
}

Result<ChangeRecord> parse_change_record(std::string_view json) {
  SELVEDGE_TRY(const auto document, parse_json(json, "the list of changes"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "changes"));
  ChangeRecord record;
  SELVEDGE_TRY(record.sequence, root.integer("sequence", kSequenceMax));
  SELVEDGE_TRY(record.apps, root.texts("apps"));
  if (record.apps.size() > kChangesMax || record.apps.size() > record.sequence ||
      !std::ranges::all_of(record.apps, is_app_name)) {
    return fail(ErrorKind::kInvalid, "the list of changes is malformed");
  }
  return record;
}

std::optional<AppHost> parse_app_host(std::string_view host, std::string_view domain) {
  auto name = parse_domain_name(host);
  if (!name.has_value() || !name->ends_with(domain) || name->size() <= domain.size() + 1 ||
      (*name)[name->size() - domain.size() - 1] != '.') {
    return std::nullopt;
  }
  std::string_view label(*name);
  label.remove_suffix(domain.size() + 1);
  AppHost made;
  if (const std::size_t separator = label.find("--"); separator != std::string_view::npos) {
    made.version = parse_version_label(label.substr(separator + 2));
    if (!made.version.has_value()) {
      return std::nullopt;
    }
    label = label.substr(0, separator);
  }
  if (!is_app_name(label)) {
    return std::nullopt;
  }
  made.app = label;
  return made;
}

std::string app_host(std::string_view app, std::optional<VersionNumber> version,
                     std::string_view domain) {
  return version.has_value() ? fmt::format("{}--v{}.{}", app, *version, domain)
                             : fmt::format("{}.{}", app, domain);
}

}  // namespace selvedge::app
