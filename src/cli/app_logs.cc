#include "cli/app_logs.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>

#include "app/json_reader.h"
#include "base/format.h"
#include "base/log.h"
#include "base/quantity.h"
#include "cli/admin_client.h"
#include "logs/log_entry.h"
#include "logs/log_time.h"

namespace selvedge::cli {
namespace {

constexpr const char* kFooter = R"(Examples:
  selvedge app logs my-site                  the last 100 lines
  selvedge app logs my-site -f               and every new one, as it comes
  selvedge app logs my-site --from 2h --until 90m --stream stderr
  selvedge app logs my-site --request 3f2a9c0d5b7e4816 --json

Streams: stdout and stderr of the program, request (a line for each), and platform: what Selvedge
has to say, for example why the app could not start. The log is that of one node.)";

// "2026-11-26T11:12:44Z", or "15m": so long ago.
Result<base::WallTime> parse_moment(const char* option, const std::string& text,
                                    base::WallTime now) {
  if (const auto moment = logs::parse_time(text)) {
    return *moment;
  }
  if (const auto span = base::parse_duration(text)) {
    return now - *span;
  }
  return fail_format(ErrorKind::kInvalid,
                     "{}: \"{}\" is neither a moment as 2026-11-26T11:12:44Z nor a time span as "
                     "15m or 2h",
                     option, text);
}

// Unreserved characters (RFC 3986) stay.
std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

std::string describe_request(const nlohmann::json& entry) {
  const std::uint64_t status = entry.value("status", std::uint64_t{0});
  return fmt::format("{} {} {} {} bytes {:.3f} ms{}{}", entry.value("method", ""),
                     log::escape(entry.value("path", "")),
                     status == 0 ? "no answer" : fmt::format("{}", status),
                     entry.value("bytes", std::uint64_t{0}),
                     static_cast<double>(entry.value("microseconds", std::int64_t{0})) / 1000,
                     entry.value("cold_start", false) ? ", cold start" : "",
                     entry.value("complete", true) ? "" : ", cut off");
}

std::string describe(const nlohmann::json& entry) {
  if (const auto missed = entry.find("missed"); missed != entry.end()) {
    return fmt::format("-- {} entries were overwritten before they were read",
                       missed->get<std::uint64_t>());
  }
  // Milliseconds are enough for people.
  std::string time = entry.value("time", "");
  if (const auto moment = logs::parse_time(time)) {
    time = logs::format_time(*moment, 3);
  }
  return fmt::format("{} v{} {:<8} {} {}", time, entry.value("version", std::uint64_t{0}),
                     entry.value("stream", ""), entry.value("request", "-"),
                     entry.contains("status")
                         ? describe_request(entry)
                         : log::escape(entry.value("text", ""), logs::kTextBytesMax));
}

}  // namespace

void declare_logs(CLI::App& command, LogsOptions& options) {
  command.add_flag("-f,--follow", options.follow, "go on with what comes, until ^C");
  command
      .add_option("--from", options.from, "entries since then: RFC 3339, or so long ago (15m, 2h)")
      ->option_text("T");
  command.add_option("--until", options.until, "entries before then")->option_text("T");
  command.add_option("--version", options.version, "of one version")->option_text("N");
  command.add_option("--stream", options.stream, "stdout, stderr, request or platform")
      ->option_text("S");
  command.add_option("--request", options.request, "of one request, by its id (x-request-id)")
      ->option_text("ID");
  command
      .add_option("--lines", options.lines,
                  "the last N of them (default 100; with --from or --request all)")
      ->option_text("N");
  command.footer(kFooter);
}

Result<std::string> logs_path(const std::string& app, const LogsOptions& options,
                              base::WallTime now) {
  std::string path = fmt::format("/v1/apps/{}/logs", app);
  char separator = '?';
  const auto add = [&path, &separator](std::string_view name, const std::string& value) {
    path += fmt::format("{}{}={}", std::exchange(separator, '&'), name, percent_encode(value));
  };
  if (!options.from.empty()) {
    SELVEDGE_TRY(const auto from, parse_moment("--from", options.from, now));
    add("from", logs::format_time(from));
  }
  if (!options.until.empty()) {
    if (options.follow) {
      return fail(ErrorKind::kInvalid, "--follow and --until exclude each other");
    }
    SELVEDGE_TRY(const auto until, parse_moment("--until", options.until, now));
    add("until", logs::format_time(until));
  }
  if (!options.stream.empty()) {
    if (!logs::parse_stream(options.stream)) {
      return fail_format(ErrorKind::kInvalid,
                         "--stream: \"{}\" is none of stdout, stderr, request and platform",
                         options.stream);
    }
    add("stream", options.stream);
  }
  if (!options.request.empty()) {
    add("request", options.request);
  }
  if (options.version != 0) {
    add("version", fmt::format("{}", options.version));
  }
  if (options.lines.has_value() || (options.from.empty() && options.request.empty())) {
    add("limit", fmt::format("{}", options.lines.value_or(kLogLines)));
  }
  if (options.follow) {
    add("follow", "1");
  }
  return path;
}

std::string describe_log_line(std::string_view json_line) {
  return describe(nlohmann::json::parse(json_line, nullptr, false));
}

Result<> print_logs(AdminClient& client, const std::string& path, bool json) {
  SELVEDGE_TRY_VOID(client.get_for_lines(path, [json](const nlohmann::json& entry) {
    if (entry.contains("error")) {
      return;  // what get_for_lines fails with
    }
    fmt::print("{}\n", json ? app::json_text(entry) : describe(entry));
    std::fflush(stdout);
  }));
  return {};
}

}  // namespace selvedge::cli
