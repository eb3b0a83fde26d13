#include "cli/access_options.h"

#include <CLI/CLI.hpp>

#include "base/format.h"
#include "base/quantity.h"
#include "node/audit_log.h"

namespace selvedge::cli {
namespace {

constexpr std::size_t kAuditDefault = 50;

constexpr const char* kTokenFooter = R"(Examples:
  selvedge cluster token create --scope deploy --app my-site --expires 30d --name ci
  selvedge cluster token create --scope admin --name laptop
  SELVEDGE_TOKEN=slv_… selvedge app list --node https://HOST:7443#sha256:…

read looks; deploy also deploys, activates, rolls back and sets secrets; admin does everything.
The token is shown once. Over the unix socket of a node none is asked for.)";

}  // namespace

struct AccessParser::Raw {
  CLI::App* create = nullptr;
  CLI::App* list = nullptr;
  CLI::App* revoke = nullptr;
  CLI::App* audit = nullptr;
  std::string scope;
  std::string name;
  std::vector<std::string> apps;
  std::string owner;
  std::string expires;
  std::string token;
  std::size_t limit = kAuditDefault;
};

AccessParser::AccessParser(CLI::App& cluster, const std::function<void(CLI::App&)>& add_client)
    : raw_(std::make_unique<Raw>()) {
  CLI::App* const token =
      cluster.add_subcommand("token", "Tokens, for the admin API of nodes on a network");
  token->require_subcommand(1);
  raw_->create = token->add_subcommand("create", "Make one, and show it this once");
  raw_->list = token->add_subcommand("list", "All of them, without what clients show");
  raw_->revoke = token->add_subcommand("revoke", "End one, on all nodes within a second");
  raw_->audit = cluster.add_subcommand("audit", "Who did what through this node's admin API");
  for (CLI::App* const command : {raw_->create, raw_->list, raw_->revoke, raw_->audit}) {
    add_client(*command);
  }
  raw_->create->add_option("--scope", raw_->scope, "admin, deploy or read")
      ->option_text("SCOPE")
      ->required();
  raw_->create->add_option("--app", raw_->apps, "only for these apps; may be repeated")
      ->option_text("NAME...");
  raw_->create
      ->add_option("--owner", raw_->owner, "only for packages of this owner, and apps that it made")
      ->option_text("NAME");
  raw_->create->add_option("--expires", raw_->expires, "when it ends: 30d, 12h (default: never)")
      ->option_text("AFTER");
  raw_->create->add_option("--name", raw_->name, "for people, in lists and in the audit log")
      ->option_text("NAME");
  raw_->create->footer(kTokenFooter);
  raw_->revoke->add_option("TOKEN", raw_->token, "its id, or its name if no other has that")
      ->option_text("TOKEN")
      ->required();
  raw_->audit->add_option("--limit", raw_->limit, "how many entries (default 50)")
      ->option_text("N");
}

AccessParser::~AccessParser() = default;

Result<std::optional<AccessCommand>> AccessParser::command() const {
  AccessCommand made;
  made.token = raw_->token;
  made.limit = raw_->limit;
  if (raw_->audit->parsed()) {
    made.verb = AccessCommand::Verb::kAudit;
    if (made.limit == 0 || made.limit > node::AuditLog::kLinesMax) {
      return fail_format(ErrorKind::kInvalid, "--limit must be 1 to {}", node::AuditLog::kLinesMax);
    }
    return std::optional(std::move(made));
  }
  if (raw_->list->parsed()) {
    return std::optional(std::move(made));
  }
  if (raw_->revoke->parsed()) {
    made.verb = AccessCommand::Verb::kTokenRevoke;
    return std::optional(std::move(made));
  }
  if (!raw_->create->parsed()) {
    return std::optional<AccessCommand>();
  }
  made.verb = AccessCommand::Verb::kTokenCreate;
  auto scope = node::parse_token_scope(raw_->scope);
  if (!scope.has_value()) {
    return fail(std::move(scope).error().with_context("--scope"));
  }
  made.scope = *scope;
  made.name = raw_->name;
  made.apps = raw_->apps;
  made.owner = raw_->owner;
  if (!raw_->expires.empty()) {
    auto lifetime = base::parse_duration(raw_->expires);
    if (!lifetime.has_value()) {
      return fail(std::move(lifetime).error().with_context("--expires"));
    }
    made.lifetime = *lifetime;
  }
  // What the node would say, before it is asked.
  const node::TokenRecord record{.id = {},
                                 .hash = {},
                                 .name = made.name,
                                 .scope = made.scope,
                                 .apps = made.apps,
                                 .owner = made.owner};
  SELVEDGE_TRY_VOID(record.validate());
  return std::optional(std::move(made));
}

}  // namespace selvedge::cli
