#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "app/app_secrets.h"
#include "app/json_reader.h"
#include "app/package.h"
#include "base/format.h"
#include "base/system.h"
#include "cli/admin_client.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/platform.h"
#include "cli/platform_jobs.h"
#include "cli/time_text.h"

namespace selvedge::cli {
namespace {

std::string path_of(const AppCommand& command, std::string_view what = "") {
  return fmt::format("/v1/apps/{}{}", command.app, what);
}

// "3", or "2 (90 %), 3 (10 %)"; "none".
std::string describe_active(const nlohmann::json& active) {
  std::uint64_t total = 0;
  for (const nlohmann::json& entry : active) {
    total += entry.value("weight", std::uint64_t{0});
  }
  if (active.size() == 1) {
    return fmt::format("{}", active[0].value("version", std::uint64_t{0}));
  }
  std::string text;
  for (const nlohmann::json& entry : active) {
    text += fmt::format("{}{} ({:.4g} %)", text.empty() ? "" : ", ",
                        entry.value("version", std::uint64_t{0}),
                        100.0 * static_cast<double>(entry.value("weight", std::uint64_t{0})) /
                            static_cast<double>(total));
  }
  return text.empty() ? "none" : text;
}

void print_apps(const nlohmann::json& answer) {
  const nlohmann::json& apps = answer.at("apps");
  if (apps.empty()) {
    fmt::print("No apps yet. Put one online: selvedge deploy FOLDER\n");
  }
  for (const nlohmann::json& app : apps) {
    fmt::print("{:<32} {:<16} {}\n", app.value("name", ""), describe_active(app["active"]),
               app.value("url", ""));
  }
}

void print_app(const nlohmann::json& app) {
  fmt::print("{}  {}\nactive: {}\n", app.value("name", ""), app.value("url", ""),
             describe_active(app["active"]));
  for (const nlohmann::json& version : app["versions"]) {
    fmt::print("  {:>6}  {}  {}  {}\n", version.value("version", std::uint64_t{0}),
               time_text(version.value("created", std::int64_t{0})),
               version.value("package", "").substr(0, 12), version.value("url", ""));
  }
}

// The version before the active ones. What somebody else chose meanwhile is not overwritten.
Result<nlohmann::json> roll_back(AdminClient& client, const AppCommand& command) {
  SELVEDGE_TRY(const nlohmann::json app, client.get(path_of(command)));
  const nlohmann::json& active = app["active"];
  if (active.empty()) {
    return fail_format(ErrorKind::kInvalid, "no version of {} is active: choose one with activate",
                       command.app);
  }
  std::uint64_t newest = 0;
  for (const nlohmann::json& entry : active) {
    newest = std::max(newest, entry.value("version", std::uint64_t{0}));
  }
  std::uint64_t before = 0;
  for (const nlohmann::json& version : app["versions"]) {
    const std::uint64_t number = version.value("version", std::uint64_t{0});
    if (number < newest) {
      before = std::max(before, number);
    }
  }
  if (before == 0) {
    return fail_format(ErrorKind::kNotFound, "{} has no version before {}", command.app, newest);
  }
  return client.put(path_of(command, "/active"),
                    {{"versions", {{{"version", before}, {"weight", 1}}}}, {"seen", active}});
}

// Never in an argument: those are seen by every user of the machine.
Result<std::string> read_value() {
  std::string value;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail_format(ErrorKind::kInternal, "standard input cannot be read: {}",
                         std::generic_category().message(errno));
    }
    if (count == 0) {
      break;
    }
    value.append(piece.data(), static_cast<std::size_t>(count));
    if (value.size() > app::kSecretValueBytesMax + 1) {
      return fail_format(ErrorKind::kInvalid, "the value is longer than {} KiB",
                         app::kSecretValueBytesMax / 1024);
    }
  }
  if (value.ends_with('\n')) {
    value.pop_back();
  }
  return value;
}

Result<app::Environment> read_secrets(const AppCommand& command) {
  if (command.secrets_file.empty()) {
    SELVEDGE_TRY(auto value, read_value());
    return app::Environment{{command.secret, std::move(value)}};
  }
  SELVEDGE_TRY(const std::string text,
               app::read_text_file(command.secrets_file, app::kSecretsBytesMax));
  auto entries = parse_environment_file(text, command.secrets_file);
  if (!entries.has_value()) {
    // Its own message may quote the line.
    return fail_format(ErrorKind::kInvalid, "{} has a line that is not NAME=VALUE",
                       command.secrets_file);
  }
  return *std::move(entries);
}

Result<nlohmann::json> set_secrets(AdminClient& client, const AppCommand& command) {
  SELVEDGE_TRY(const auto secrets, read_secrets(command));
  nlohmann::json entries = nlohmann::json::array();
  for (const auto& [name, value] : secrets) {
    SELVEDGE_TRY_VOID(app::check_secret(name, value));
    entries.push_back({name, value});
  }
  return client.put(path_of(command, "/secrets"), {{"set", std::move(entries)}});
}

Result<nlohmann::json> perform(AdminClient& client, const AppCommand& command) {
  switch (command.verb) {
    case AppCommand::Verb::kList:
      return client.get("/v1/apps");
    case AppCommand::Verb::kInfo:
      return client.get(path_of(command));
    case AppCommand::Verb::kActivate:
      return client.put(path_of(command, "/active"),
                        nlohmann::json::parse(to_json(command.active), nullptr, false));
    case AppCommand::Verb::kRollBack:
      return roll_back(client, command);
    case AppCommand::Verb::kDelete:
      SELVEDGE_TRY_VOID(client.remove(path_of(command)));
      return nlohmann::json{{"name", command.app}, {"deleted", true}};
    case AppCommand::Verb::kSecretSet:
      return set_secrets(client, command);
    case AppCommand::Verb::kSecretList:
      return client.get(path_of(command, "/secrets"));
    case AppCommand::Verb::kSecretDelete:
      SELVEDGE_TRY_VOID(client.remove(path_of(command, "/secrets/" + command.secret)));
      return nlohmann::json{{"name", command.app}, {"deleted", command.secret}};
    case AppCommand::Verb::kJobs:
      return command.run_job.empty()
                 ? client.get(path_of(command, "/jobs"))
                 : client.post(path_of(command, "/jobs/" + command.run_job + "/runs"), {});
    case AppCommand::Verb::kLogs:
      break;  // is no single answer
  }
  return fail(ErrorKind::kInternal, "no such command");
}

void print_answer(const nlohmann::json& answer, const AppCommand& command) {
  if (command.output.json) {
    fmt::print("{}\n", app::json_text(answer));
    return;
  }
  switch (command.verb) {
    case AppCommand::Verb::kList:
      print_apps(answer);
      return;
    case AppCommand::Verb::kInfo:
      print_app(answer);
      return;
    case AppCommand::Verb::kDelete:
      fmt::print("Deleted {}\n", command.app);
      return;
    case AppCommand::Verb::kSecretSet:
      fmt::print("{} has the new values from its next instance on\n", command.app);
      return;
    case AppCommand::Verb::kSecretList:
      for (const nlohmann::json& name : answer.at("secrets")) {
        fmt::print("{}\n", name.get<std::string>());
      }
      return;
    case AppCommand::Verb::kSecretDelete:
      fmt::print("Deleted the secret {} of {}\n", command.secret, command.app);
      return;
    case AppCommand::Verb::kJobs:
      print_jobs(answer);
      return;
    default:
      fmt::print("{} now serves version {}\n  {}\n", command.app, describe_active(answer["active"]),
                 answer.value("url", ""));
  }
}

Result<> run(const AppCommand& command) {
  SELVEDGE_TRY(auto client, AdminClient::create(command.socket));
  if (command.verb == AppCommand::Verb::kLogs) {
    SELVEDGE_TRY(const std::string path,
                 logs_path(command.app, command.logs, base::SystemClock().wall_now()));
    return print_logs(client, path, command.output.json);
  }
  SELVEDGE_TRY(const nlohmann::json answer, perform(client, command));
  if (!command.output.quiet) {
    print_answer(answer, command);
  }
  return {};
}

}  // namespace

int run_app_command(const AppCommand& command) {
  return run_client([&command] { return run(command); }, {.json = command.output.json});
}

}  // namespace selvedge::cli
