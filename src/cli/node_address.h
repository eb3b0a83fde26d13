#pragma once

// Where a client finds its node: the path of a unix socket, or https://HOST[:PORT], which may be
// followed by #sha256:HEX, the fingerprint of the node's key.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace selvedge::cli {

inline constexpr std::string_view kNodePortDefault = "7443";

struct NodeAddress {
  std::filesystem::path socket = {};  // empty: on a network
  std::string url = {};               // https://host:port
  // Of the public key's SHA-256, in base64 as libcurl pins it; empty: certificates are verified.
  std::string pinned_key = {};
};

// Invalid and Unsupported (http://): one sentence.
Result<NodeAddress> parse_node_address(std::string_view text);

}  // namespace selvedge::cli
