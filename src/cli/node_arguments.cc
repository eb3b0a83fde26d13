#include "cli/node_arguments.h"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <string_view>

#include "app/package.h"
#include "cli/options.h"
#include "node/listen_address.h"
#include "node/node_config.h"

namespace selvedge::cli {
namespace {

constexpr std::string_view kHttpDefault = "8080";

constexpr const char* kNodeFooter = R"(Examples:
  selvedge node --dev                        data in ./.selvedge, apps at http://NAME.localhost:8080
  selvedge node --dev --http :80 --domain apps.example.com
  selvedge node --data /var/lib/selvedge --store /mnt/shared/store --http :80 --domain example.com
  selvedge node --config /etc/selvedge.toml
  selvedge node --check --config /etc/selvedge.toml

Nodes that share a store serve the same apps. SIGTERM drains; a second one ends at once. SIGHUP
reads the file anew, SIGUSR2 starts the program anew without a lost connection.)";

}  // namespace

void NodeArguments::declare(CLI::App& node) {
  node.add_flag("--dev", dev, "for this machine: data in ./.selvedge");
  node.add_option("--config", config, "a TOML file; options given here win over it")
      ->option_text("FILE");
  node.add_flag("--check", check, "say whether the file is right, and no more");
  node.add_option("--data", data, "what the node keeps")->option_text("DIR");
  node.add_option("--store", store, "the store, if not in the data folder; nodes may share it")
      ->option_text("DIR");
  node.add_option("--cluster-secret", cluster_secret, "the file that nodes of a store share")
      ->option_text("FILE");
  node.add_option("--http", http, "where to listen (default 8080): 8080, :80, 192.0.2.1:80")
      ->option_text("ADDR");
  node.add_option("--admin", admin, "where the admin API is on a network too: 7443, :7443")
      ->option_text("ADDR");
  node.add_option("--domain", domain, "apps are at NAME.DOMAIN (default localhost)")
      ->option_text("DOMAIN");
  node.add_option("--shards", shards, "threads that serve (default: one per core)")
      ->option_text("N");
  node.add_flag("--access-log", access_log, "log every request");
  node.add_option("--log-level", log_level, "debug, info, warning, error or off")
      ->option_text("LEVEL");
  node.footer(kNodeFooter);
}

Result<node::NodeOptions> NodeArguments::read() const {
  node::NodeOptions options;
  SELVEDGE_TRY(const node::ListenAddress standard, parse_listen_address(kHttpDefault));
  options.http = standard.address;
  if (!config.empty()) {
    SELVEDGE_TRY(const std::string text, app::read_text_file(config, node::kNodeConfigBytesMax));
    SELVEDGE_TRY_VOID(
        node::read_node_config(text, config, std::filesystem::path(config).parent_path(), options));
  }
  SELVEDGE_TRY_VOID(override_options(options));
  if (options.data_folder.empty()) {
    return fail(ErrorKind::kInvalid,
                "node needs a folder: --dev for ./.selvedge, --data DIR, or data in --config FILE "
                "(selvedge node --help)");
  }
  SELVEDGE_TRY(const auto level, parse_log_level(log_level));
  options.log_level = level.value_or(options.log_level);
  return options;
}

Result<> NodeArguments::override_options(node::NodeOptions& options) const {
  if (!data.empty()) {
    options.data_folder = data;
  } else if (dev && options.data_folder.empty()) {
    options.data_folder = kDataFolderDefault;
  }
  options.make_cluster_secret = dev;
  if (!cluster_secret.empty()) {
    options.cluster_secret_file = cluster_secret;
  }
  if (!store.empty()) {
    options.store_folder = store;
    options.s3.reset();
  }
  if (!http.empty()) {
    SELVEDGE_TRY(const node::ListenAddress address, parse_listen_address(http));
    options.http = address.address;
    options.http_every_interface = address.every_interface;
  }
  if (!admin.empty()) {
    SELVEDGE_TRY(const node::ListenAddress address, parse_listen_address(admin));
    node::AdminListenOptions& listen =
        options.admin.has_value() ? *options.admin : options.admin.emplace();
    listen.address = address.address;
    listen.every_interface = address.every_interface;
  }
  if (domain == "localhost") {
    options.domain = domain;
  } else if (!domain.empty()) {
    auto parsed = app::parse_domain_name(domain);
    if (!parsed.has_value()) {
      return fail(std::move(parsed).error().with_context("--domain"));
    }
    options.domain = *std::move(parsed);
  }
  if (shards != 0) {
    SELVEDGE_TRY(options.shards, parse_shards(shards));
  }
  options.access_log = options.access_log || access_log;
  return {};
}

}  // namespace selvedge::cli
