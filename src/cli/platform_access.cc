#include <chrono>
#include <cstdio>

#include "app/json_reader.h"
#include "base/format.h"
#include "base/log.h"
#include "cli/admin_client.h"
#include "cli/messages.h"
#include "cli/platform.h"
#include "cli/time_text.h"

namespace selvedge::cli {
namespace {

using nlohmann::json;

std::string list_text(const json& names) {
  std::string text;
  for (const json& name : names) {
    text += (text.empty() ? "" : ", ") + name.get<std::string>();
  }
  return text;
}

// "deploy, apps a, b"
std::string rights_text(const json& token) {
  std::string text = token.at("scope").get<std::string>();
  if (!token.at("apps").empty()) {
    text += ", apps " + list_text(token.at("apps"));
  }
  if (const auto owner = token.at("owner").get<std::string>(); !owner.empty()) {
    text += ", owner " + owner;
  }
  return text;
}

std::string end_text(const json& token) {
  if (token.contains("revoked")) {
    return "revoked " + time_text(token.at("revoked").get<std::int64_t>());
  }
  return token.contains("expires") ? "until " + time_text(token.at("expires").get<std::int64_t>())
                                   : "does not expire";
}

Result<> create_token(AdminClient& client, const AccessCommand& command) {
  json request = {{"scope", node::to_string(command.scope)},
                  {"name", command.name},
                  {"apps", command.apps},
                  {"owner", command.owner}};
  if (command.lifetime.has_value()) {
    request["expires_in"] = std::chrono::ceil<std::chrono::seconds>(*command.lifetime).count();
  }
  SELVEDGE_TRY(const json made, client.post("/v1/tokens", request));
  if (command.output.json) {
    fmt::print("{}\n", app::json_text(made));
    return {};
  }
  // The token alone on standard output, for $(…).
  if (!command.output.quiet) {
    fmt::print(stderr, "Token {} ({}; {}). It is shown only now:\n",
               made.at("id").get<std::string>(), rights_text(made), end_text(made));
  }
  fmt::print("{}\n", made.at("token").get<std::string>());
  return {};
}

Result<> list_tokens(AdminClient& client, const AccessCommand& command) {
  SELVEDGE_TRY(const json answer, client.get("/v1/tokens"));
  if (command.output.json) {
    fmt::print("{}\n", app::json_text(answer));
    return {};
  }
  if (answer.at("tokens").empty() && !command.output.quiet) {
    fmt::print("No tokens yet. Make one: selvedge cluster token create --scope deploy\n");
  }
  for (const json& token : answer.at("tokens")) {
    fmt::print("{}  {:<16} {:<24} {}\n", token.at("id").get<std::string>(),
               token.at("name").get<std::string>(), rights_text(token), end_text(token));
  }
  return {};
}

// The id of the token that is meant.
Result<std::string> resolve(AdminClient& client, const std::string& text) {
  if (node::is_token_id(text)) {
    return text;
  }
  SELVEDGE_TRY(const json answer, client.get("/v1/tokens"));
  std::vector<std::string> found;
  for (const json& token : answer.at("tokens")) {
    if (token.at("name") == text && !token.contains("revoked")) {
      found.push_back(token.at("id").get<std::string>());
    }
  }
  if (found.empty()) {
    return fail_format(ErrorKind::kNotFound, "there is no token {}", text);
  }
  if (found.size() > 1) {
    return fail_format(ErrorKind::kConflict, "{} tokens are called {}: choose by id: {}",
                       found.size(), text, fmt::join(found, ", "));
  }
  return found.front();
}

Result<> revoke_token(AdminClient& client, const AccessCommand& command) {
  SELVEDGE_TRY(const std::string id, resolve(client, command.token));
  SELVEDGE_TRY_VOID(client.remove("/v1/tokens/" + id));
  if (command.output.json) {
    fmt::print("{}\n", app::json_text({{"revoked", id}}));
  } else if (!command.output.quiet) {
    fmt::print("Revoked {}: it ends on all nodes within a second\n", id);
  }
  return {};
}

// "token 0123… (ci) from 192.0.2.1", "uid 1000 pid 4711"
std::string who_text(const json& entry) {
  std::string text;
  if (entry.contains("uid")) {
    text = fmt::format("uid {} pid {}", entry.value("uid", 0), entry.value("pid", 0));
  }
  if (entry.contains("token")) {
    text = "token " + entry.value("token", "");
    if (const std::string name = entry.value("token_name", ""); !name.empty()) {
      text += " (" + name + ")";
    }
  }
  if (entry.contains("from")) {
    text += (text.empty() ? "from " : ", from ") + entry.value("from", "");
  }
  return text;
}

Result<> show_audit(AdminClient& client, const AccessCommand& command) {
  SELVEDGE_TRY(const json answer, client.get(fmt::format("/v1/audit?limit={}", command.limit)));
  if (command.output.json) {
    fmt::print("{}\n", app::json_text(answer));
    return {};
  }
  for (const json& entry : answer.at("entries")) {
    std::string outcome = entry.value("result", "");
    if (entry.contains("version")) {
      outcome += fmt::format(", version {}", entry.value("version", std::uint64_t{0}));
    }
    if (entry.contains("error")) {
      outcome += ": " + entry.value("error", "");
    }
    fmt::print("{}  {:<6} {}  {}  {}\n", entry.value("time", ""), entry.value("method", ""),
               log::escape(entry.value("path", "")), log::escape(who_text(entry)),
               log::escape(outcome));
  }
  return {};
}

Result<> run(const AccessCommand& command) {
  SELVEDGE_TRY(auto client, AdminClient::create(command.socket));
  switch (command.verb) {
    case AccessCommand::Verb::kTokenCreate:
      return create_token(client, command);
    case AccessCommand::Verb::kTokenList:
      return list_tokens(client, command);
    case AccessCommand::Verb::kTokenRevoke:
      return revoke_token(client, command);
    case AccessCommand::Verb::kAudit:
      return show_audit(client, command);
  }
  return {};
}

}  // namespace

int run_access_command(const AccessCommand& command) {
  return run_client([&command] { return run(command); },
                    {.json = command.output.json, .quiet = command.output.quiet});
}

}  // namespace selvedge::cli
