#include "node/internal/config_keys.h"

#include <algorithm>
#include <array>
#include <vector>

#include "app/app_config.h"
#include "base/format.h"
#include "gateway/trusted_proxies.h"
#include "node/listen_address.h"

namespace selvedge::node::internal {
namespace {

using Path = std::filesystem::path;

Result<> set_domain(ConfigDraft& draft, const ConfigValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text == "localhost") {
    draft.options.domain = text;
    return {};
  }
  SELVEDGE_TRY(draft.options.domain, app::parse_domain_name(text));
  return {};
}

Result<> set_listen(ConfigDraft& draft, const ConfigValue& value) {
  SELVEDGE_TRY(const ListenAddress address, parse_listen_address(std::get<std::string>(value)));
  draft.options.http = address.address;
  draft.options.http_every_interface = address.every_interface;
  return {};
}

Result<> set_trusted_proxies(ConfigDraft& draft, const ConfigValue& value) {
  gateway::TrustedProxies& proxies = draft.options.trusted_proxies;
  SELVEDGE_TRY(proxies, gateway::TrustedProxies::parse(std::get<std::vector<std::string>>(value),
                                                       proxies.fields()));
  return {};
}

Result<> set_proxy_headers(ConfigDraft& draft, const ConfigValue& value) {
  using Fields = gateway::TrustedProxies::Fields;
  const auto& text = std::get<std::string>(value);
  if (text != "x-forwarded" && text != "forwarded") {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not one of \"x-forwarded\" and \"forwarded\"", text);
  }
  draft.options.trusted_proxies.set_fields(text == "forwarded" ? Fields::kForwarded
                                                               : Fields::kXForwarded);
  return {};
}

void take_trusted_proxies(NodeOptions& running, const NodeOptions& read) {
  running.trusted_proxies = read.trusted_proxies;
}

Result<> set_log_level(ConfigDraft& draft, const ConfigValue& value) {
  constexpr std::array<std::string_view, 5> kLevels{"debug", "info", "warning", "error", "off"};
  const auto& text = std::get<std::string>(value);
  const auto found = std::ranges::find(kLevels, text);
  if (found == kLevels.end()) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not one of \"debug\", \"info\", \"warning\", \"error\" and "
                       "\"off\"",
                       text);
  }
  draft.options.log_level = static_cast<log::Level>(found - kLevels.begin());
  return {};
}

AdminListenOptions& admin_of(ConfigDraft& draft) {
  return draft.options.admin.has_value() ? *draft.options.admin : draft.options.admin.emplace();
}

Result<> set_admin_listen(ConfigDraft& draft, const ConfigValue& value) {
  SELVEDGE_TRY(const ListenAddress address, parse_listen_address(std::get<std::string>(value)));
  admin_of(draft).address = address.address;
  admin_of(draft).every_interface = address.every_interface;
  return {};
}

constexpr std::array kKeys{
    ConfigKey{.path = "data",
              .type = ConfigType::kPath,
              .fallback = "`./.selvedge` with `--dev`, else required (`--data`)",
              .description =
                  "What the node keeps: its store unless `[store]` says otherwise, copies of what "
                  "it has fetched, compiled programs, the socket of the admin API. One node each.",
              .example = "\"/var/lib/selvedge\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.data_folder = std::get<Path>(value);
                return {};
              }},
    ConfigKey{.path = "domain",
              .type = ConfigType::kText,
              .fallback = "`localhost`",
              .description = "Apps are at `NAME.DOMAIN` (`--domain`).",
              .example = "\"apps.example.com\"",
              .set = &set_domain},
    ConfigKey{.path = "cluster_secret",
              .type = ConfigType::kPath,
              .fallback = "`cluster-secret` in the data folder, if it is there",
              .description = "The file with the cluster's secret (`--cluster-secret`), made by "
                             "`selvedge cluster init`; nodes that share a store have the same.",
              .example = "\"/etc/selvedge/cluster-secret\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.cluster_secret_file = std::get<Path>(value);
                return {};
              }},
    ConfigKey{.path = "http.listen",
              .type = ConfigType::kText,
              .fallback = "`127.0.0.1:8080`",
              .description =
                  "Where requests are taken (`--http`): `8080` and `localhost:8080` are this "
                  "machine only, `:80` every interface, `192.0.2.1:80` and `[2001:db8::1]:80` one "
                  "address.",
              .example = "\":80\"",
              .set = &set_listen},
    ConfigKey{.path = "http.access_log",
              .type = ConfigType::kBoolean,
              .fallback = "`false`",
              .description = "Log every request (`--access-log`).",
              .example = "true",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                draft.options.access_log = std::get<bool>(value);
                return {};
              },
              .take = [](NodeOptions& running,
                         const NodeOptions& read) { running.access_log = read.access_log; }},
    ConfigKey{
        .path = "http.trusted_proxies",
        .type = ConfigType::kTexts,
        .fallback = "none",
        .description =
            "Addresses and networks (`10.0.0.0/8`) of proxies in front of the node. What they "
            "say of a request's client and scheme is believed; of all others, such fields "
            "are replaced ([behind a proxy](guide-operate.md#behind-a-proxy)).",
        .example = "[\"10.0.0.0/8\", \"::1\"]",
        .set = &set_trusted_proxies,
        .take = &take_trusted_proxies},
    ConfigKey{.path = "http.proxy_headers",
              .type = ConfigType::kText,
              .fallback = "`x-forwarded`",
              .description = "The fields that these proxies set: `x-forwarded` (`X-Forwarded-For`, "
                             "`X-Forwarded-Proto`) or `forwarded` (RFC 7239).",
              .example = "\"forwarded\"",
              .set = &set_proxy_headers,
              .take = &take_trusted_proxies},
    ConfigKey{.path = "log.level",
              .type = ConfigType::kText,
              .fallback = "`info`",
              .description = "What is logged (`--log-level`): `debug`, `info`, `warning`, `error` "
                             "or `off`, and what is worse.",
              .example = "\"info\"",
              .set = &set_log_level,
              .take = [](NodeOptions& running,
                         const NodeOptions& read) { running.log_level = read.log_level; }},
    ConfigKey{.path = "admin.listen",
              .type = ConfigType::kText,
              .fallback = "the socket `admin.sock` in the data folder only",
              .description =
                  "Where the admin API is on a network too (`--admin`), written as `http.listen`: "
                  "over TLS, for clients with a [token](guide-admin.md).",
              .example = "\":7443\"",
              .set = &set_admin_listen},
    ConfigKey{.path = "admin.certificate_file",
              .type = ConfigType::kPath,
              .fallback = "one of the node's own, `admin-certificate.pem` in the data folder",
              .description = "The certificate of that address, in PEM, then those that lead to its "
                             "authority.",
              .example = "\"/etc/selvedge/admin.pem\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                admin_of(draft).certificate_file = std::get<Path>(value);
                return {};
              }},
    ConfigKey{.path = "admin.key_file",
              .type = ConfigType::kPath,
              .fallback = "the file of the certificate",
              .description = "The private key of the certificate, in PEM, without a password.",
              .example = "\"/etc/selvedge/admin-key.pem\"",
              .set = [](ConfigDraft& draft, const ConfigValue& value) -> Result<> {
                admin_of(draft).key_file = std::get<Path>(value);
                return {};
              }},
};

}  // namespace

std::span<const ConfigKey> config_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> all(kKeys.begin(), kKeys.end());
    const auto kept = config_keys_of_resources();
    all.insert(all.end(), kept.begin(), kept.end());
    return all;
  }();
  return keys;
}

}  // namespace selvedge::node::internal
