#include "node/admin_service.h"

#include <utility>

#include "base/format.h"
#include "base/log.h"
#include "crypto/tls_context.h"
#include "io/task_scope.h"
#include "node/node_logs.h"

namespace selvedge::node {
namespace {

constexpr base::Duration kDrainTimeMax = std::chrono::seconds(5);
constexpr std::size_t kNetworkConnectionsMax = 1000;
// Whoever follows a log in a pager may stop reading for a while.
constexpr base::Duration kLocalSilenceMax = std::chrono::minutes(10);
constexpr const char* kPlainHttpAnswer =
    "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
    "This is the admin API of a node, which speaks TLS only: use https://\n";

AdminApi::Options with_access(AdminApi::Options options, AdminAccess& access) {
  options.access = &access;
  return options;
}

Result<crypto::TlsContext> context_of(const crypto::Certificate& certificate) {
  return crypto::TlsContext::server(
      {.choose = [certificate](std::string_view) { return std::optional(certificate); },
       .protocols = {"http/1.1"}});
}

}  // namespace

AdminService::AdminService(Options options)
    : options_(std::move(options)),
      network_(options_.reactor),
      tokens_(options_.store, options_.random, options_.clock),
      access_({.reactor = options_.reactor,
               .tokens = tokens_,
               .store_helpers = options_.api.store_helpers,
               .audit_helpers = audit_helpers_,
               .audit = {.file = options_.folder.audit_log()}}),
      api_(with_access(options_.api, access_)),
      local_gate_(AdminGate::Door::kLocal, api_, access_),
      network_gate_(AdminGate::Door::kNetwork, api_, access_),
      local_server_(options_.reactor, local_gate_, options_.random, options_.metrics,
                    {.minimum_rate = {.grace = kLocalSilenceMax}}),
      network_server_(options_.reactor, network_gate_, options_.random, options_.metrics,
                      {.connections_max = kNetworkConnectionsMax}) {}

Result<AdminService::NetworkAddress> AdminService::listen() {
  SELVEDGE_TRY(local_,
               network_.adopt(std::move(options_.socket), io::KernelNetwork::Sharing::kAlone));
  return options_.node.admin.has_value() ? listen_on_network() : NetworkAddress{};
}

AdminCertificateFiles AdminService::certificate_files() const {
  const AdminListenOptions& wanted = *options_.node.admin;
  return wanted.certificate_file.has_value()
             ? AdminCertificateFiles{.certificate = *wanted.certificate_file,
                                     .key = wanted.key_file.value_or(*wanted.certificate_file)}
             : AdminCertificateFiles{.certificate = options_.folder.admin_certificate(),
                                     .key = options_.folder.admin_key()};
}

Result<AdminService::NetworkAddress> AdminService::listen_on_network() {
  Result<crypto::Certificate> certificate =
      options_.node.admin->certificate_file.has_value()
          ? read_admin_certificate(certificate_files(), options_.clock)
          : open_own_certificate(certificate_files(), options_.node.domain, options_.clock);
  if (!certificate.has_value()) {
    return fail(std::move(certificate).error());
  }
  SELVEDGE_TRY(auto context, context_of(*certificate));
  SELVEDGE_TRY(auto listener, network_.adopt(std::move(options_.network_socket),
                                             io::KernelNetwork::Sharing::kAlone));
  const io::SocketAddress bound = listener->local_address();
  remote_ =
      std::make_unique<io::TlsListener>(options_.reactor, std::move(listener), std::move(context),
                                        io::TlsOptions{.plain_http_answer = kPlainHttpAnswer});
  // An address of all interfaces is none that a client can use.
  const std::string host = bound.ip().is_any()  ? options_.node.domain
                           : bound.ip().is_v6() ? fmt::format("[{}]", bound.ip().to_string())
                                                : bound.ip().to_string();
  return NetworkAddress{.url = fmt::format("https://{}:{}", host, bound.port()),
                        .fingerprint = fingerprint_of(*certificate)};
}

void AdminService::reload_certificate() {
  if (remote_ == nullptr) {
    return;
  }
  auto certificate = read_admin_certificate(certificate_files(), options_.clock);
  auto context = certificate.has_value()
                     ? context_of(*certificate)
                     : Result<crypto::TlsContext>(fail(certificate.error().clone()));
  if (!context.has_value()) {
    log::error("admin certificate not read, the one before is used on: {}",
               context.error().message());
    return;
  }
  remote_->set_context(*std::move(context));
  log::info("admin certificate read fingerprint={}", fingerprint_of(*certificate));
}

io::Task<> AdminService::serve(io::Event& stop) {
  io::TaskScope scope(options_.reactor);
  scope.spawn(local_server_.serve(*local_));
  if (remote_ != nullptr) {
    scope.spawn(network_server_.serve(*remote_));
  }
  co_await stop.wait();
  if (options_.api.logs != nullptr) {
    options_.api.logs->stop();
  }
  io::TaskScope ending(options_.reactor);
  ending.spawn(end(local_server_));
  ending.spawn(end(network_server_));
  SELVEDGE_CO_TRY_VOID(co_await ending.close());
  const io::Deadline deadline = options_.reactor.deadline_after(kDrainTimeMax);
  auto served = co_await scope.close(deadline);
  [[maybe_unused]] const auto recorded = co_await access_.close(deadline);
  co_return served;
}

io::Task<> AdminService::end(gateway::HttpServer& server) {
  if (options_.drain.handed_over) {
    return server.hand_over(kDrainTimeMax, options_.drain.time_max.load());
  }
  return server.stop(options_.reactor.deadline_after(kDrainTimeMax));
}

}  // namespace selvedge::node
