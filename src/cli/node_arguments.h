#pragma once

// The command line of `node`. What it says wins over the configuration file, also when that is read
// anew.

#include <cstddef>
#include <string>

#include "base/result.h"
#include "node/node.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's own name
class App;
}

namespace selvedge::cli {

// Where data is unless something else is said.
inline constexpr const char* kDataFolderDefault = ".selvedge";

// As they were given.
struct NodeArguments {
  bool dev = false;
  bool check = false;
  std::string config;
  std::string data;
  std::string store;
  std::string cluster_secret;
  std::string http;
  std::string admin;
  std::string domain;
  std::size_t shards = 0;
  bool access_log = false;
  std::string log_level;

  // On the command `node`; this must outlive its parsing.
  void declare(CLI::App& node);
  // With those of the file, which is read now. Invalid, and errors of the disk.
  Result<node::NodeOptions> read() const;

 private:
  Result<> override_options(node::NodeOptions& options) const;
};

}  // namespace selvedge::cli
