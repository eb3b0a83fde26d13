#pragma once

// The configuration file of a node, in TOML. One table (node_config.cc) says which keys there are:
// reading, checking and the reference for people (docs/node-config.md) all follow it.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "node/node.h"

namespace selvedge::node {

inline constexpr std::size_t kNodeConfigBytesMax = std::size_t{256} << 10;

// Sets in `options` what the file says and leaves the rest as it is. `name` begins messages;
// relative paths are taken from `folder`, the one of the file. Invalid: one sentence with
// file:line:column.
Result<> read_node_config(std::string_view text, std::string_view name,
                          const std::filesystem::path& folder, NodeOptions& options);

// Keys by name.
struct ConfigChanges {
  std::vector<std::string> now;    // have taken effect
  std::vector<std::string> later;  // need a restart
};
// Takes from `read` what can change while a node runs, and says what differs.
ConfigChanges take_changes(NodeOptions& running, const NodeOptions& read);

// docs/node-config.md.
std::string node_config_reference();

}  // namespace selvedge::node
