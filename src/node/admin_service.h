#pragma once

// The admin API with its doors: the unix socket of the data folder, and an address of a network
// when there is one, over TLS always.

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "gateway/http_server.h"
#include "io/event.h"
#include "io/helper_pool.h"
#include "io/kernel_network.h"
#include "io/kernel_reactor.h"
#include "io/tls_listener.h"
#include "node/admin_access.h"
#include "node/admin_api.h"
#include "node/admin_certificate.h"
#include "node/admin_gate.h"
#include "node/data_folder.h"
#include "node/node.h"
#include "node/node_service.h"
#include "node/token_store.h"
#include "store/store.h"

namespace selvedge::node {

// The reactor's thread.
class AdminService {
 public:
  struct Options {
    io::KernelReactor& reactor;
    const DataFolder& folder;
    const NodeOptions& node;
    store::Store& store;
    base::Random& random;
    const base::Clock& clock;
    gateway::HttpMetrics& metrics;
    const DrainSettings& drain;          // looked at when it ends
    base::UniqueFd socket;               // of the data folder, bound
    base::UniqueFd network_socket = {};  // of the network, bound; when `node` has an address
    AdminApi::Options api;               // but for `access`
  };
  // What `options` refers to outlives this.
  explicit AdminService(Options options);

  // Where clients on a network find it, and what they know it by; empty without one.
  struct NetworkAddress {
    std::string url;
    std::string fingerprint;
  };
  // Begins to listen. Errors: one sentence.
  Result<NetworkAddress> listen();
  // Reads the certificate and key of the network's address anew, for connections from now on. What
  // cannot be read changes nothing but for a line in the log. Blocks for as long as two small files
  // take.
  void reload_certificate();
  // After listen(): answers until `stop` is set, then ends what is under way.
  io::Task<> serve(io::Event& stop);

 private:
  Result<NetworkAddress> listen_on_network();
  AdminCertificateFiles certificate_files() const;
  io::Task<> end(gateway::HttpServer& server);

  Options options_;
  io::KernelNetwork network_;
  io::ThreadHelperPool audit_helpers_{{.threads = 1, .queue_max = AdminAccess::kAuditQueueMax}};
  TokenStore tokens_;
  AdminAccess access_;
  AdminApi api_;
  AdminGate local_gate_;
  AdminGate network_gate_;
  gateway::HttpServer local_server_;
  gateway::HttpServer network_server_;
  std::unique_ptr<io::Listener> local_;
  std::unique_ptr<io::TlsListener> remote_;  // null: on no network
};

}  // namespace selvedge::node
