#pragma once

// The command lines of `cluster token` and `cluster audit`: who may use the admin API of a node,
// and who did.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "cli/output_options.h"
#include "node/admin_token.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's own name
class App;
}

namespace selvedge::cli {

struct AccessCommand {
  enum class Verb : unsigned char { kTokenCreate, kTokenList, kTokenRevoke, kAudit };
  Verb verb = Verb::kTokenList;
  node::TokenScope scope = node::TokenScope::kRead;  // of kTokenCreate, as what follows
  std::string name;
  std::vector<std::string> apps;
  std::string owner;
  std::optional<base::Duration> lifetime;
  std::string token;      // its id or name, of kTokenRevoke
  std::size_t limit = 0;  // of kAudit
  std::filesystem::path socket;
  OutputOptions output;
};

class AccessParser {
 public:
  // On the group `cluster`; `add_client` declares what all clients have.
  AccessParser(CLI::App& cluster, const std::function<void(CLI::App&)>& add_client);
  ~AccessParser();

  // Without socket and output. nullopt: none of these was given.
  Result<std::optional<AccessCommand>> command() const;

 private:
  struct Raw;
  std::unique_ptr<Raw> raw_;
};

}  // namespace selvedge::cli
