#pragma once

// The command line of `package`.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "app/manifest.h"
#include "base/result.h"
#include "cli/platform_options.h"

namespace selvedge::cli {

struct PackageAction {
  enum class Verb : unsigned char { kBuild, kInspect, kPublish, kPull, kList, kInfo, kKeygen };
  Verb verb = Verb::kInspect;
  std::string target = ".";                         // a folder, a file, or "owner/name@range"
  std::string output_file;                          // empty: by the package's name
  app::RunnerKind runner = app::RunnerKind::kWasi;  // of a bare module that is built
  std::string key_file;          // of kPublish: what to sign with; of kKeygen: what to make
  std::filesystem::path socket;  // of the node
  OutputOptions output;
};

// Declares the command on `top`; after it has parsed, action() is what was asked for.
class PackageParser {
 public:
  explicit PackageParser(CLI::App& top [[clang::lifetimebound]]);
  ~PackageParser();
  PackageParser(const PackageParser&) = delete;
  PackageParser& operator=(const PackageParser&) = delete;

  // nullopt: it was not given. `default_socket`: SELVEDGE_NODE, if it is set.
  Result<std::optional<PackageAction>> action(
      const std::optional<std::string>& default_socket) const;

 private:
  struct Raw;
  std::unique_ptr<Raw> raw_;
};

// Does it; prints its results and errors. Returns the exit code.
int run_package_action(const PackageAction& action);

}  // namespace selvedge::cli
