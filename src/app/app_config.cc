#include "app/app_config.h"

#include <algorithm>

#include "app/instance_scaler.h"
#include "app/internal/check_reader.h"
#include "app/internal/yaml_reader.h"
#include "wasix/egress_policy.h"

namespace selvedge::app {
namespace {

using internal::fail_at;
using internal::YamlFile;
using internal::YamlMap;

constexpr std::size_t kDomainBytesMax = 253;
constexpr std::size_t kLabelBytesMax = 63;
constexpr std::size_t kConcurrencyMax = 10'000;

bool is_label(std::string_view text) noexcept {
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= kLabelBytesMax && text.front() != '-' &&
         text.back() != '-' && std::ranges::all_of(text, ordinary);
}

class AppConfigParser {
 public:
  explicit AppConfigParser(std::string_view file_name)
      : file_{.name = file_name, .unknown = config_.unknown, .warnings = config_.warnings} {}

  Result<AppConfig> parse(const YAML::Node& document) {
    SELVEDGE_TRY(auto root, YamlMap::open(file_, document, ""));
    SELVEDGE_TRY_VOID(kind(root));
    SELVEDGE_TRY_VOID(identity(root));
    SELVEDGE_TRY_VOID(domains(root));
    SELVEDGE_TRY(config_.environment, root.environment("env"));
    SELVEDGE_TRY(config_.arguments, root.texts("cli_args"));
    SELVEDGE_TRY_VOID(scaling(root));
    SELVEDGE_TRY_VOID(locality(root));
    SELVEDGE_TRY_VOID(capabilities(root));
    SELVEDGE_TRY_VOID(limits(root));
    SELVEDGE_TRY_VOID(network(root));
    SELVEDGE_TRY_VOID(redirect(root));
    SELVEDGE_TRY(config_.health_checks, internal::read_health_checks(file_, root));
    SELVEDGE_TRY(config_.jobs, internal::read_jobs(file_, root, config_.package));
    others(root);
    root.finish();
    return std::move(config_);
  }

 private:
  Result<> kind(YamlMap& root);
  Result<> identity(YamlMap& root);
  Result<> domains(YamlMap& root);
  Result<> scaling(YamlMap& root);
  Result<> locality(YamlMap& root);
  Result<> capabilities(YamlMap& root);
  Result<> memory(YamlMap& capabilities);
  Result<> limits(YamlMap& root);
  Result<> network(YamlMap& root);
  Result<> redirect(YamlMap& root);
  static void others(YamlMap& root);

  AppConfig config_;
  YamlFile file_;
};

Result<> AppConfigParser::kind(YamlMap& root) {
  SELVEDGE_TRY(const auto kind, root.text("kind"));
  if (!kind.has_value()) {
    return fail_at(file_, root.node(), ErrorKind::kInvalid, "kind is missing: add kind: {}",
                   kAppKind);
  }
  if (*kind != kAppKind) {
    return fail_at(file_, *root.find("kind"), ErrorKind::kInvalid, "kind must be {}, not \"{}\"",
                   kAppKind, *kind);
  }
  return {};
}

Result<> AppConfigParser::identity(YamlMap& root) {
  SELVEDGE_TRY(config_.name, root.text("name"));
  if (config_.name.has_value() && !is_app_name(*config_.name)) {
    return fail_at(file_, *root.find("name"), ErrorKind::kInvalid,
                   "name must be small letters, digits and single hyphens between them, at most "
                   "{} characters",
                   kAppNameBytesMax);
  }
  SELVEDGE_TRY(auto package, root.text("package"));
  if (package.has_value()) {
    if (package->empty()) {
      return fail_at(file_, *root.find("package"), ErrorKind::kInvalid,
                     "package is empty: write \".\" for the folder of this file");
    }
    config_.package = *std::move(package);
  }
  for (const auto* key : {"app_id", "owner", "description"}) {
    root.ignore(key);
  }
  return {};
}

Result<> AppConfigParser::domains(YamlMap& root) {
  SELVEDGE_TRY(const auto domains, root.texts("domains"));
  if (domains.size() > kAppDomainsMax) {
    return fail_at(file_, *root.find("domains"), ErrorKind::kInvalid, "more than {} domains",
                   kAppDomainsMax);
  }
  for (const std::string& text : domains) {
    auto domain = parse_domain_name(text);
    if (!domain.has_value()) {
      return fail_at(file_, *root.find("domains"), ErrorKind::kInvalid, "domains: {}",
                     domain.error().message());
    }
    if (std::ranges::find(config_.domains, *domain) == config_.domains.end()) {
      config_.domains.push_back(*std::move(domain));
    }
  }
  return {};
}

Result<> AppConfigParser::scaling(YamlMap& root) {
  SELVEDGE_TRY(auto scaling, root.map("scaling"));
  if (!scaling.has_value()) {
    return {};
  }
  SELVEDGE_TRY(const auto mode, scaling->text("mode"));
  if (mode.has_value() && *mode != "single_concurrency") {
    return fail_at(file_, *scaling->find("mode"), ErrorKind::kInvalid,
                   "scaling.mode can only be single_concurrency, not \"{}\"", *mode);
  }
  AppScaling& made = config_.scaling;
  made.single_concurrency = mode.has_value();
  SELVEDGE_TRY(made.concurrency_max, scaling->integer("concurrency", 1, kConcurrencyMax));
  if (made.single_concurrency && made.concurrency_max.has_value()) {
    return fail_at(file_, *scaling->find("concurrency"), ErrorKind::kInvalid,
                   "scaling.concurrency contradicts mode: single_concurrency: remove one");
  }
  SELVEDGE_TRY(const auto least,
               scaling->integer("min_instances", 0, InstanceScaler::kInstancesMax));
  SELVEDGE_TRY(made.instances_max, scaling->integer("max_instances", 1, kConcurrencyMax));
  made.instances_min = least.value_or(0);
  if (made.instances_min > made.instances_max.value_or(made.instances_min)) {
    return fail_at(file_, *scaling->find("min_instances"), ErrorKind::kInvalid,
                   "scaling.min_instances is {}, but scaling.max_instances only {}",
                   made.instances_min, *made.instances_max);
  }
  SELVEDGE_TRY(const auto idle, scaling->duration("idle_timeout"));
  SELVEDGE_TRY(const auto grace, scaling->duration("grace"));
  made.idle_time_max = idle.value_or(made.idle_time_max);
  made.stop_time_max = grace.value_or(made.stop_time_max);
  scaling->finish();
  return {};
}

Result<> AppConfigParser::locality(YamlMap& root) {
  SELVEDGE_TRY(auto locality, root.map("locality"));
  if (!locality.has_value()) {
    return {};
  }
  SELVEDGE_TRY(config_.regions, locality->texts("regions"));
  locality->without_effect("regions", "every node serves every app; the list is kept");
  locality->finish();
  return {};
}

Result<> AppConfigParser::memory(YamlMap& capabilities) {
  SELVEDGE_TRY(auto memory, capabilities.map("memory"));
  if (!memory.has_value()) {
    return {};
  }
  SELVEDGE_TRY(config_.memory_bytes_max, memory->bytes("limit"));
  if (config_.memory_bytes_max.has_value() && (*config_.memory_bytes_max < kAppMemoryBytesMin ||
                                               *config_.memory_bytes_max > kAppMemoryBytesMax)) {
    return fail_at(file_, *memory->find("limit"), ErrorKind::kInvalid,
                   "capabilities.memory.limit must be from 64KiB to 4GiB");
  }
  memory->finish();
  return {};
}

Result<> AppConfigParser::capabilities(YamlMap& root) {
  SELVEDGE_TRY(auto capabilities, root.map("capabilities"));
  if (!capabilities.has_value()) {
    return {};
  }
  SELVEDGE_TRY_VOID(memory(*capabilities));
  capabilities->without_effect("runtime", "there is one engine, which never blocks a thread");
  capabilities->without_effect("instaboot", "instances start without snapshots");
  capabilities->without_effect("database", "databases are not provided; set env for your own");
  capabilities->without_effect("cdn_cache", "responses are not cached");
  capabilities->without_effect("ssh", "there is no SSH access to apps yet");
  capabilities->finish();
  return {};
}

Result<> AppConfigParser::limits(YamlMap& root) {
  SELVEDGE_TRY(auto limits, root.map("limits"));
  if (!limits.has_value()) {
    return {};
  }
  SELVEDGE_TRY(config_.request_time_max, limits->duration("request_time"));
  SELVEDGE_TRY(config_.cpu_time_max, limits->duration("cpu_time"));
  limits->finish();
  return {};
}

Result<> AppConfigParser::network(YamlMap& root) {
  SELVEDGE_TRY(auto network, root.map("network"));
  if (!network.has_value()) {
    return {};
  }
  SELVEDGE_TRY(config_.egress, network->texts("egress"));
  auto policy = wasix::EgressPolicy::parse(config_.egress);
  if (!policy.has_value()) {
    return fail_at(file_, *network->find("egress"), ErrorKind::kInvalid, "network.egress: {}",
                   policy.error().message());
  }
  network->finish();
  return {};
}

Result<> AppConfigParser::redirect(YamlMap& root) {
  SELVEDGE_TRY(auto redirect, root.map("redirect"));
  if (!redirect.has_value()) {
    return {};
  }
  SELVEDGE_TRY(const auto force_https, redirect->boolean("force_https"));
  config_.force_https = force_https.value_or(false);
  if (config_.force_https) {
    file_.warnings.push_back(fmt::format(
        "{}: redirect.force_https takes effect for requests that come through a proxy which nodes "
        "trust (http.trusted_proxies) and which says that they came without TLS; a node itself "
        "serves no HTTPS yet, and answers others as they come",
        internal::position(file_, *redirect->find("force_https"))));
  }
  redirect->finish();
  return {};
}

void AppConfigParser::others(YamlMap& root) {
  root.without_effect("debug", "logs are always kept");
  root.without_effect("enable_email", "there is no mail service");
  root.without_effect("vault", "there are no vaults");
  root.without_effect("volumes", "there are no lasting volumes yet; what is written is lost");
  root.without_effect("scheduled_tasks", "write jobs instead");
}

}  // namespace

bool is_app_name(std::string_view text) noexcept {
  return is_label(text) && text.size() <= kAppNameBytesMax &&
         text.find("--") == std::string_view::npos;
}

Result<std::string> parse_domain_name(std::string_view text) {
  std::string name(text);
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (name.ends_with('.')) {
    name.pop_back();
  }
  std::size_t labels = 0;
  bool valid = name.size() <= kDomainBytesMax;
  for (std::string_view rest = name; valid; ++labels) {
    const std::size_t dot = rest.find('.');
    valid = is_label(rest.substr(0, dot));
    if (dot == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(dot + 1);
  }
  if (!valid || labels == 0) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not a domain name: write for example www.example.com", text);
  }
  return name;
}

Result<AppConfig> parse_app_config(std::string_view text, std::string_view file_name) {
  if (text.size() > kAppConfigBytesMax) {
    return fail_format(ErrorKind::kInvalid, "{}: larger than {} KiB", file_name,
                       kAppConfigBytesMax / 1024);
  }
  SELVEDGE_TRY(const auto document, internal::parse_yaml(text, file_name));
  return AppConfigParser(file_name).parse(document);
}

}  // namespace selvedge::app
