#include "cli/package_options.h"

#include <CLI/CLI.hpp>

#include <array>
#include <utility>

#include "base/format.h"
#include "node/node.h"

namespace selvedge::cli {
namespace {

using Verb = PackageAction::Verb;

constexpr const char* kDataFolder = ".selvedge";

constexpr const char* kFooter = R"(Examples:
  selvedge package build                        the folder here: OWNER-NAME-VERSION.webc
  selvedge package build examples/php-site -o site.webc
  selvedge package inspect site.webc
  selvedge run --http 8080 site.webc
  selvedge package publish examples/php-site    into the store of the node
  selvedge package pull me/site@^1.2 -o site.webc)";

}  // namespace

struct PackageParser::Raw {
  CLI::App* build = nullptr;
  CLI::App* inspect = nullptr;
  CLI::App* publish = nullptr;
  CLI::App* pull = nullptr;
  CLI::App* list = nullptr;
  CLI::App* info = nullptr;
  CLI::App* keygen = nullptr;
  std::string key_file;
  std::string target;
  std::string output_file;
  std::string runner;
  std::string socket;
  std::string node_fingerprint;
  OutputOptions output;

  void declare(CLI::App& top);
  void declare_store(CLI::App& package);
  CLI::App* add(CLI::App& package, const char* name, const char* what);
  std::filesystem::path socket_of(const std::optional<std::string>& default_socket) const {
    const std::string given = !socket.empty() ? socket : default_socket.value_or("");
    if (given.empty()) {
      return node::admin_socket_of(kDataFolder);
    }
    return node_fingerprint.empty() ? given
                                    : given.substr(0, given.find('#')) + "#" + node_fingerprint;
  }
};

CLI::App* PackageParser::Raw::add(CLI::App& package, const char* name, const char* what) {
  CLI::App* const command = package.add_subcommand(name, what);
  command->add_flag("--json", output.json, "machine-readable output");
  command->add_flag("-q,--quiet", output.quiet, "only errors");
  return command;
}

// What a node is asked for, and the key that signs.
void PackageParser::Raw::declare_store(CLI::App& package) {
  publish = add(package, "publish", "Put a version of a package into the node's store");
  publish->add_option("TARGET", target, "a folder (default: this one) or a .webc file")
      ->option_text("[DIR|FILE]");
  publish->add_option("--sign", key_file, "sign it with this key")->option_text("KEY");
  pull = add(package, "pull", "Make a .webc file of a published package");
  pull->add_option("PACKAGE", target, "owner/name, owner/name@^1.2 or sha256:…")
      ->option_text("PACKAGE")
      ->required();
  pull->add_option("-o,--output", output_file, "what to write (default OWNER-NAME-VERSION.webc)")
      ->option_text("FILE");
  list = add(package, "list", "The packages of the node's store");
  info = add(package, "info", "A published package with its versions");
  info->add_option("PACKAGE", target, "owner/name")->option_text("PACKAGE")->required();
  for (CLI::App* const command : {publish, pull, list, info}) {
    command
        ->add_option("--node", socket,
                     "the node: its admin socket (default ./.selvedge/admin.sock), or "
                     "https://HOST:PORT with a token in SELVEDGE_TOKEN")
        ->option_text("NODE");
    command
        ->add_option("--node-fingerprint", node_fingerprint,
                     "of its key, as it prints it; else its certificate is verified "
                     "(SELVEDGE_NODE_CA)")
        ->option_text("sha256:HEX");
  }
  keygen = add(package, "keygen", "Make a key that signs packages");
  keygen->add_option("FILE", target, "where it is kept")->option_text("FILE")->required();
}

void PackageParser::Raw::declare(CLI::App& top) {
  CLI::App* const package = top.add_subcommand("package", "Build packages, look into them");
  package->require_subcommand(1);
  package->footer(kFooter);
  build = add(*package, "build", "Make a .webc of a folder with wasmer.toml, or of a module");
  build->add_option("TARGET", target, "the folder (default: this one) or .wasm file")
      ->option_text("[DIR|FILE]");
  build->add_option("-o,--output", output_file, "what to write (default OWNER-NAME-VERSION.webc)")
      ->option_text("FILE");
  build->add_option("--runner", runner, "of a module: wasi (default) or wcgi")
      ->option_text("RUNNER");
  inspect = add(*package, "inspect", "What a package says and holds");
  inspect->add_option("TARGET", target, "a .webc file, a folder or a .wasm file")
      ->option_text("[FILE|DIR]");
  declare_store(*package);
}

PackageParser::PackageParser(CLI::App& top) : raw_(std::make_unique<Raw>()) { raw_->declare(top); }

PackageParser::~PackageParser() = default;

Result<std::optional<PackageAction>> PackageParser::action(
    const std::optional<std::string>& default_socket) const {
  const std::array<std::pair<const CLI::App*, Verb>, 7> verbs{{{raw_->build, Verb::kBuild},
                                                               {raw_->inspect, Verb::kInspect},
                                                               {raw_->publish, Verb::kPublish},
                                                               {raw_->pull, Verb::kPull},
                                                               {raw_->list, Verb::kList},
                                                               {raw_->info, Verb::kInfo},
                                                               {raw_->keygen, Verb::kKeygen}}};
  for (const auto& [command, verb] : verbs) {
    if (!command->parsed()) {
      continue;
    }
    PackageAction made{.verb = verb,
                       .target = raw_->target.empty() ? "." : raw_->target,
                       .output_file = raw_->output_file,
                       .key_file = raw_->key_file,
                       .socket = raw_->socket_of(default_socket),
                       .output = raw_->output};
    if (!raw_->runner.empty()) {
      SELVEDGE_TRY(made.runner, app::parse_runner(raw_->runner));
    }
    return std::optional(std::move(made));
  }
  return std::optional<PackageAction>();
}

}  // namespace selvedge::cli
