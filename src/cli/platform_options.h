#pragma once

// The command lines of `node`, `deploy` and `app`.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/app_records.h"
#include "base/result.h"
#include "cli/access_options.h"
#include "cli/app_logs.h"
#include "cli/output_options.h"
#include "node/node.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's own name
class App;
}

namespace selvedge::cli {

struct NodeCommand {
  node::NodeOptions options;
  // Reads them anew; empty without a configuration file.
  std::function<Result<node::NodeOptions>()> read_options = {};
  // Only whether they are right.
  bool check = false;
  OutputOptions output = {};
};

struct DeployCommand {
  std::string target = ".";
  std::optional<std::string> app;  // instead of the name in app.yaml
  bool activate = true;
  std::filesystem::path socket;  // of the node
  OutputOptions output;
};

struct AppCommand {
  enum class Verb : unsigned char {
    kList,
    kInfo,
    kActivate,
    kRollBack,
    kDelete,
    kSecretSet,
    kSecretList,
    kSecretDelete,
    kJobs,
    kLogs,
  };
  Verb verb = Verb::kList;
  std::string app;
  app::ActiveRecord active;  // of kActivate
  std::string secret;        // its name: of kSecretSet without a file, and kSecretDelete
  std::string secrets_file;  // of kSecretSet: NAME=VALUE lines
  std::string run_job;       // of kJobs: runs it now instead; empty: none
  LogsOptions logs = {};     // of kLogs
  std::filesystem::path socket;
  OutputOptions output;
};

// `cluster init`: makes the cluster's secret. `cluster collect`: removes what nothing needs.
struct ClusterCommand {
  enum class Verb : unsigned char { kInit, kCollect };
  Verb verb = Verb::kInit;
  bool dry_run = false;          // of kCollect
  std::filesystem::path socket;  // of kCollect
  std::filesystem::path secret_file;
  OutputOptions output;
};

using PlatformCommand =
    std::variant<NodeCommand, DeployCommand, AppCommand, ClusterCommand, AccessCommand>;

// "3" or "3=10": a version and its weight. Invalid.
Result<app::VersionWeight> parse_version_weight(std::string_view text);

// Declares the commands on `top`; after it has parsed, command() is the one that was given.
class PlatformParser {
 public:
  explicit PlatformParser(CLI::App& top [[clang::lifetimebound]]);
  ~PlatformParser();
  PlatformParser(const PlatformParser&) = delete;
  PlatformParser& operator=(const PlatformParser&) = delete;

  // nullopt: none of these was given. `default_socket`: SELVEDGE_NODE, if it is set.
  Result<std::optional<PlatformCommand>> command(
      const std::optional<std::string>& default_socket) const;

 private:
  struct Raw;
  std::unique_ptr<Raw> raw_;
};

}  // namespace selvedge::cli
