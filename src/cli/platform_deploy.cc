#include <cstdio>
#include <filesystem>

#include "app/app_config.h"
#include "app/json_reader.h"
#include "app/package.h"
#include "app/package_records.h"
#include "app/package_source.h"
#include "base/format.h"
#include "cli/admin_client.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/package_client.h"
#include "cli/platform.h"
#include "cli/status_line.h"

namespace selvedge::cli {
namespace {

namespace fs = std::filesystem;

// What is deployed, as it was found on this machine.
struct Deployment {
  std::string app;
  std::string config;  // the text of app.yaml
  app::PackageSource package;
  std::optional<std::string> reference = std::nullopt;  // instead: what the node's store has
};

// "My Site.wasm" becomes "my-site": a name for what has none.
std::string name_from(const fs::path& target) {
  std::error_code ignored;
  const fs::path absolute = fs::weakly_canonical(target, ignored);
  std::string name;
  for (const char c : absolute.stem().string()) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      name += upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  while (name.ends_with('-')) {
    name.pop_back();
  }
  return name;
}

Result<std::string> read_config(const fs::path& target) {
  std::error_code ignored;
  const fs::path file = target / "app.yaml";
  if (fs::is_directory(target, ignored) && fs::exists(file, ignored)) {
    return app::read_text_file(file.string(), app::kAppConfigBytesMax);
  }
  return fmt::format("kind: {}\npackage: .\n", app::kAppKind);
}

// Where the package is that app.yaml names; nullopt: in the store of the node.
Result<std::optional<fs::path>> package_of(const fs::path& target, const app::AppConfig& config) {
  std::error_code ignored;
  fs::path beside = target / config.package;
  if (config.package == "." || config.package == "./") {
    return target;
  }
  if (fs::exists(beside, ignored)) {
    return beside;
  }
  const auto reference = app::parse_package_reference(config.package);
  if (!reference.has_value()) {
    return fail_format(ErrorKind::kInvalid,
                       "app.yaml: package: {} is neither a folder nor a file beside it, nor a "
                       "package of the store (owner/name@1.2, sha256:…)",
                       config.package);
  }
  return std::optional<fs::path>();
}

Result<Deployment> read_deployment(const DeployCommand& command, MessageStyle style) {
  const fs::path target(command.target);
  SELVEDGE_TRY(std::string text, read_config(target));
  SELVEDGE_TRY(const app::AppConfig config,
               app::parse_app_config(text, (target / "app.yaml").string()));
  for (const std::string& warning : config.warnings) {
    print_warning(warning, style);
  }
  Deployment made{.app = command.app.value_or(config.name.value_or(name_from(target))),
                  .config = std::move(text),
                  .package = {}};
  if (!app::is_app_name(made.app)) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" cannot be the name of an app (small letters, digits and single "
                       "hyphens, at most {}): choose one with --app",
                       made.app, app::kAppNameBytesMax);
  }
  SELVEDGE_TRY(const auto package, package_of(target, config));
  if (!package.has_value()) {
    made.reference = config.package;
    return made;
  }
  SELVEDGE_TRY(made.package, app::read_package_source(package->string()));
  for (const std::string& warning : made.package.warnings) {
    print_warning(warning, style);
  }
  return made;
}

Result<nlohmann::json> deploy(AdminClient& client, const DeployCommand& command,
                              const Deployment& deployment, MessageStyle style) {
  StatusLine status(!command.output.json && !command.output.quiet);
  SELVEDGE_TRY_VOID(upload_blobs(client, deployment.package, status));
  const nlohmann::json request{
      {"package", deployment.reference.has_value()
                      ? nlohmann::json(*deployment.reference)
                      : nlohmann::json::parse(to_json(deployment.package.image), nullptr,
                                              /*allow_exceptions=*/false)},
      {"config", deployment.config},
      {"activate", command.activate}};
  return client.post_for_lines("/v1/apps/" + deployment.app + "/versions", request,
                               [&status, style](const nlohmann::json& line) {
                                 if (const auto step = line.find("step"); step != line.end()) {
                                   status.show(step->get<std::string>());
                                 }
                                 const std::string warning = line.value("warning", "");
                                 // Those about app.yaml were told when it was read here.
                                 if (!warning.empty() && !warning.starts_with("app.yaml:")) {
                                   print_warning(warning, style);
                                 }
                               });
}

void print_result(const nlohmann::json& result, const DeployCommand& command) {
  if (command.output.json) {
    fmt::print("{}\n", app::json_text(result));
  } else if (!command.output.quiet) {
    fmt::print("Deployed {} version {}{}\n  {}\n", result.value("app", ""),
               result.value("version", 0), command.activate ? "" : ", not active",
               result.value(command.activate ? "url" : "version_url", ""));
    if (command.activate) {
      fmt::print("  {}  (this version)\n", result.value("version_url", ""));
    }
  }
}

Result<> run(const DeployCommand& command) {
  const MessageStyle style{.json = command.output.json, .quiet = command.output.quiet};
  SELVEDGE_TRY(const Deployment deployment, read_deployment(command, style));
  SELVEDGE_TRY(auto client, AdminClient::create(command.socket));
  SELVEDGE_TRY(const nlohmann::json result, deploy(client, command, deployment, style));
  print_result(result, command);
  return {};
}

}  // namespace

int run_deploy(const DeployCommand& command) {
  return run_client([&command] { return run(command); }, {.json = command.output.json});
}

}  // namespace selvedge::cli
