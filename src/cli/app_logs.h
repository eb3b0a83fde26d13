#pragma once

// `app logs`: reads an app's log from a node, and follows it.

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's own name
class App;
}

namespace selvedge::cli {

class AdminClient;

// As they were given.
struct LogsOptions {
  bool follow = false;
  std::string from = {};     // a moment, or a time span before now
  std::string until = {};    // likewise
  std::string stream = {};   // one of the log's, or empty
  std::string request = {};  // an id, or empty
  std::uint64_t version = 0;
  std::optional<std::uint64_t> lines = std::nullopt;  // nullopt: kLogLines, or all since `from`
};
inline constexpr std::uint64_t kLogLines = 100;

// Gives the command its options, which `options` receives.
void declare_logs(CLI::App& command, LogsOptions& options);

// What the admin API is asked: "/v1/apps/site/logs?limit=100". Invalid: a sentence that names the
// option.
Result<std::string> logs_path(const std::string& app, const LogsOptions& options,
                              base::WallTime now);

// One entry of the answer, for people, without a line feed.
std::string describe_log_line(std::string_view json_line);

// Until the log's end, or for as long as the node serves.
Result<> print_logs(AdminClient& client, const std::string& path, bool json);

}  // namespace selvedge::cli
