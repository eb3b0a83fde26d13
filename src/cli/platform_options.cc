#include "cli/platform_options.h"

#include <CLI/CLI.hpp>

#include "app/app_secrets.h"
#include "base/format.h"
#include "cli/node_arguments.h"
#include "cli/options.h"
#include "node/cluster_secret.h"

namespace selvedge::cli {
namespace {

constexpr const char* kDeployFooter = R"(Examples:
  selvedge deploy                            the folder here: its app.yaml and wasmer.toml
  selvedge deploy examples/php-site
  selvedge deploy --app my-site page.wasm    one module as an app
  selvedge deploy --no-activate              a version at its own URL only)";

constexpr const char* kActivateFooter = R"(Examples:
  selvedge app activate my-site 3            all requests
  selvedge app activate my-site 2=90 3=10    one of ten goes to version 3)";

constexpr const char* kJobsFooter = R"(Examples:
  selvedge app jobs my-site                  when they run next, and how the last runs went
  selvedge app jobs my-site --run nightly    runs one now)";

constexpr const char* kSecretFooter = R"(Examples:
  selvedge app secret set my-site API_KEY < key.txt
  pass show api-key | selvedge app secret set my-site API_KEY
  selvedge app secret set my-site --from-file secrets.env

One line feed at the end of standard input is not part of the value. Secrets win over env of
app.yaml; instances that start from now on have them.)";

constexpr const char* kCollectFooter = R"(Examples:
  selvedge cluster collect --dry-run         what would be removed
  selvedge cluster collect --json

Every node does this once a day. Old versions go (store.versions_kept of the configuration), and
blobs that nothing needs, a day after the last deploy that had them (store.collect_grace).)";

}  // namespace

struct PlatformParser::Raw {
  CLI::App* node = nullptr;
  CLI::App* deploy = nullptr;
  CLI::App* app = nullptr;
  CLI::App* app_list = nullptr;
  CLI::App* app_info = nullptr;
  CLI::App* app_activate = nullptr;
  CLI::App* app_rollback = nullptr;
  CLI::App* app_delete = nullptr;
  CLI::App* app_jobs = nullptr;
  CLI::App* app_logs = nullptr;
  CLI::App* secret_set = nullptr;
  CLI::App* secret_list = nullptr;
  CLI::App* secret_delete = nullptr;
  CLI::App* cluster_init = nullptr;
  CLI::App* cluster_collect = nullptr;
  NodeArguments node_arguments;
  bool dry_run = false;
  std::unique_ptr<AccessParser> access;
  std::string node_fingerprint;
  std::string secret_name;
  std::string secrets_file;
  std::string run_job;
  std::string target = ".";
  std::string app_name;
  bool no_activate = false;
  bool yes = false;
  std::vector<std::string> versions;
  LogsOptions logs;
  std::string socket;
  OutputOptions output;

  void add_output(CLI::App& command) {
    command.add_flag("--json", output.json, "machine-readable output");
    command.add_flag("-q,--quiet", output.quiet, "only errors");
  }
  void add_client(CLI::App& command) {
    command
        .add_option("--node", socket,
                    "the node: its admin socket (default ./.selvedge/admin.sock), or "
                    "https://HOST:PORT with a token in SELVEDGE_TOKEN")
        ->option_text("NODE");
    command
        .add_option("--node-fingerprint", node_fingerprint,
                    "of its key, as it prints it; else its certificate is verified "
                    "(SELVEDGE_NODE_CA)")
        ->option_text("sha256:HEX");
    add_output(command);
  }
  void declare_node(CLI::App& top);
  void declare_deploy(CLI::App& top);
  void declare_app(CLI::App& top);
  void declare_secret();
  void declare_cluster(CLI::App& top);
  std::filesystem::path cluster_secret_file() const;
  Result<> secret_command(AppCommand& made) const;
  std::filesystem::path socket_of(const std::optional<std::string>& default_socket) const {
    const std::string given = !socket.empty() ? socket : default_socket.value_or("");
    if (given.empty()) {
      return node::admin_socket_of(kDataFolderDefault);
    }
    return node_fingerprint.empty() ? given
                                    : given.substr(0, given.find('#')) + "#" + node_fingerprint;
  }
  Result<PlatformCommand> node_command() const;
  Result<PlatformCommand> app_command(std::filesystem::path socket_path) const;
};

void PlatformParser::Raw::declare_node(CLI::App& top) {
  node = top.add_subcommand("node", "Run a node: serve the apps of a store");
  node_arguments.declare(*node);
  add_output(*node);
}

void PlatformParser::Raw::declare_deploy(CLI::App& top) {
  deploy = top.add_subcommand("deploy", "Put an app online, or a new version of it");
  deploy->add_option("TARGET", target, "a folder (default: this one), a .wasm or a .webc file")
      ->option_text("TARGET");
  deploy->add_option("--app", app_name, "its name, instead of that in app.yaml")
      ->option_text("NAME");
  deploy->add_flag("--no-activate", no_activate, "requests go on to what is active now");
  add_client(*deploy);
  deploy->footer(kDeployFooter);
}

void PlatformParser::Raw::declare_app(CLI::App& top) {
  app = top.add_subcommand("app", "Look at apps and choose their versions");
  app->require_subcommand(1);
  app_list = app->add_subcommand("list", "All apps of the node's store");
  app_info = app->add_subcommand("info", "An app with its versions");
  app_activate = app->add_subcommand("activate", "Choose the version that requests go to");
  app_rollback = app->add_subcommand("rollback", "Go back to the version before the active one");
  app_delete = app->add_subcommand("delete", "Take an app offline and remove all its versions");
  app_jobs = app->add_subcommand("jobs", "Its jobs and their last runs; runs one with --run");
  app_logs = app->add_subcommand("logs", "What an app said on this node, and what was said of it");
  for (CLI::App* const command :
       {app_info, app_activate, app_rollback, app_delete, app_jobs, app_logs}) {
    command->add_option("APP", app_name, "its name")->option_text("APP")->required();
  }
  app_activate->add_option("VERSION", versions, "a number, with =WEIGHT if there are several")
      ->option_text("VERSION[=WEIGHT]...")
      ->required();
  app_activate->footer(kActivateFooter);
  app_delete->add_flag("--yes", yes, "really");
  app_jobs->add_option("--run", run_job, "run this one now")->option_text("JOB");
  app_jobs->footer(kJobsFooter);
  declare_logs(*app_logs, logs);
  for (CLI::App* const command :
       {app_list, app_info, app_activate, app_rollback, app_delete, app_jobs, app_logs}) {
    add_client(*command);
  }
}

void PlatformParser::Raw::declare_secret() {
  CLI::App* const secret =
      app->add_subcommand("secret", "Variables of an app that lie sealed in the store");
  secret->require_subcommand(1);
  secret_set = secret->add_subcommand("set", "Set one, with its value on standard input, or many");
  secret_list = secret->add_subcommand("list", "Their names");
  secret_delete = secret->add_subcommand("delete", "Remove one");
  for (CLI::App* const command : {secret_set, secret_list, secret_delete}) {
    command->add_option("APP", app_name, "the app")->option_text("APP")->required();
    add_client(*command);
  }
  secret_set->add_option("NAME", secret_name, "of the variable")->option_text("NAME");
  secret_set->add_option("--from-file", secrets_file, "NAME=VALUE lines")->option_text("FILE");
  secret_set->footer(kSecretFooter);
  secret_delete->add_option("NAME", secret_name, "of the variable")
      ->option_text("NAME")
      ->required();
}

void PlatformParser::Raw::declare_cluster(CLI::App& top) {
  CLI::App* const cluster = top.add_subcommand("cluster", "What the nodes of a cluster share");
  cluster->require_subcommand(1);
  cluster_init = cluster->add_subcommand(
      "init", "Make the cluster's secret, a file that every node gets a copy of");
  cluster_init->add_option("--data", node_arguments.data, "of the node (default ./.selvedge)")
      ->option_text("DIR");
  cluster_init
      ->add_option("--cluster-secret", node_arguments.cluster_secret,
                   "the file, if not in the data folder")
      ->option_text("FILE");
  add_output(*cluster_init);
  cluster_collect = cluster->add_subcommand(
      "collect", "Remove from the store what no version, package or deploy needs");
  cluster_collect->add_flag("--dry-run", dry_run, "only say what would be removed");
  cluster_collect->footer(kCollectFooter);
  add_client(*cluster_collect);
  access =
      std::make_unique<AccessParser>(*cluster, [this](CLI::App& command) { add_client(command); });
}

std::filesystem::path PlatformParser::Raw::cluster_secret_file() const {
  const NodeArguments& given = node_arguments;
  return !given.cluster_secret.empty()
             ? std::filesystem::path(given.cluster_secret)
             : node::cluster_secret_of(given.data.empty() ? kDataFolderDefault
                                                          : given.data.c_str());
}

Result<> PlatformParser::Raw::secret_command(AppCommand& made) const {
  made.secret = secret_name;
  made.secrets_file = secrets_file;
  if (secret_list->parsed()) {
    made.verb = AppCommand::Verb::kSecretList;
    return {};
  }
  made.verb = secret_set->parsed() ? AppCommand::Verb::kSecretSet : AppCommand::Verb::kSecretDelete;
  if (secret_set->parsed() && secret_name.empty() == secrets_file.empty()) {
    return fail(ErrorKind::kInvalid,
                "app secret set takes a NAME, with the value on standard input, or --from-file "
                "FILE");
  }
  return secret_name.empty() ? Result<>() : app::check_secret(secret_name, {});
}

Result<PlatformCommand> PlatformParser::Raw::node_command() const {
  NodeCommand made;
  if (node_arguments.check && node_arguments.config.empty()) {
    return fail(ErrorKind::kInvalid, "node --check is for a file: add --config FILE");
  }
  SELVEDGE_TRY(made.options, node_arguments.read());
  if (!node_arguments.config.empty()) {
    made.read_options = [arguments = node_arguments] { return arguments.read(); };
  }
  made.check = node_arguments.check;
  made.output = output;
  return made;
}

Result<PlatformCommand> PlatformParser::Raw::app_command(std::filesystem::path socket_path) const {
  AppCommand made{.verb = AppCommand::Verb::kList,
                  .app = app_name,
                  .active = {},
                  .secret = {},
                  .secrets_file = {},
                  .run_job = run_job,
                  .logs = logs,
                  .socket = std::move(socket_path),
                  .output = output};
  if (app_list->parsed()) {
    return made;
  }
  if (!app::is_app_name(app_name)) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" is not the name of an app", app_name);
  }
  if (secret_set->parsed() || secret_list->parsed() || secret_delete->parsed()) {
    SELVEDGE_TRY_VOID(secret_command(made));
    return made;
  }
  if (app_jobs->parsed()) {
    made.verb = AppCommand::Verb::kJobs;
    if (!run_job.empty() && !app::is_job_name(run_job)) {
      return fail_format(ErrorKind::kInvalid, "\"{}\" is not the name of a job", run_job);
    }
  } else if (app_logs->parsed()) {
    made.verb = AppCommand::Verb::kLogs;
    SELVEDGE_TRY_VOID(logs_path(app_name, logs, base::WallTime()));
  } else if (app_info->parsed()) {
    made.verb = AppCommand::Verb::kInfo;
  } else if (app_rollback->parsed()) {
    made.verb = AppCommand::Verb::kRollBack;
  } else if (app_delete->parsed()) {
    made.verb = AppCommand::Verb::kDelete;
    if (!yes) {
      return fail_format(ErrorKind::kInvalid,
                         "this removes {} with all its versions: add --yes if you mean it",
                         app_name);
    }
  } else {
    made.verb = AppCommand::Verb::kActivate;
    for (const std::string& text : versions) {
      SELVEDGE_TRY(const auto entry, parse_version_weight(text));
      made.active.versions.push_back(entry);
    }
    SELVEDGE_TRY_VOID(app::validate(made.active));
  }
  return made;
}

PlatformParser::PlatformParser(CLI::App& top) : raw_(std::make_unique<Raw>()) {
  raw_->declare_node(top);
  raw_->declare_deploy(top);
  raw_->declare_app(top);
  raw_->declare_secret();
  raw_->declare_cluster(top);
}

PlatformParser::~PlatformParser() = default;

Result<std::optional<PlatformCommand>> PlatformParser::command(
    const std::optional<std::string>& default_socket) const {
  if (raw_->node->parsed()) {
    SELVEDGE_TRY(auto command, raw_->node_command());
    return std::optional(std::move(command));
  }
  if (raw_->deploy->parsed()) {
    return std::optional<PlatformCommand>(
        DeployCommand{.target = raw_->target,
                      .app = raw_->app_name.empty() ? std::nullopt : std::optional(raw_->app_name),
                      .activate = !raw_->no_activate,
                      .socket = raw_->socket_of(default_socket),
                      .output = raw_->output});
  }
  if (raw_->cluster_init->parsed()) {
    return std::optional<PlatformCommand>(ClusterCommand{.verb = ClusterCommand::Verb::kInit,
                                                         .dry_run = false,
                                                         .socket = {},
                                                         .secret_file = raw_->cluster_secret_file(),
                                                         .output = raw_->output});
  }
  if (raw_->cluster_collect->parsed()) {
    return std::optional<PlatformCommand>(ClusterCommand{.verb = ClusterCommand::Verb::kCollect,
                                                         .dry_run = raw_->dry_run,
                                                         .socket = raw_->socket_of(default_socket),
                                                         .secret_file = {},
                                                         .output = raw_->output});
  }
  SELVEDGE_TRY(auto access, raw_->access->command());
  if (access.has_value()) {
    access->socket = raw_->socket_of(default_socket);
    access->output = raw_->output;
    return std::optional<PlatformCommand>(*std::move(access));
  }
  if (raw_->app->parsed()) {
    SELVEDGE_TRY(auto command, raw_->app_command(raw_->socket_of(default_socket)));
    return std::optional(std::move(command));
  }
  return std::optional<PlatformCommand>();
}

}  // namespace selvedge::cli
