// The admin API with its doors, for whatever clients send: requests one after another to one node
// with an empty store. Whoever has no token changes nothing, one that may only look neither.
//
// An input is a list of requests. Each is a byte that chooses door, token and method, the target up
// to a line feed, and the content up to a zero byte. With bit 3 of the first byte the content is
// sent as a blob; later requests name it by $blob and its length by $size.

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/app_catalog.h"
#include "app/app_secrets.h"
#include "app/app_store.h"
#include "app/app_version.h"
#include "app/package_registry.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/engine.h"
#include "engine/testing/guests.h"
#include "io/testing/simulation.h"
#include "node/admin_access.h"
#include "node/admin_gate.h"
#include "store/testing/memory_store.h"
#include "store/testing/store_world.h"
#include "wasix/host_functions.h"

namespace selvedge::node {
namespace fuzz {

using Door = AdminGate::Door;

constexpr std::size_t kRequestsMax = 8;

// What is made once.
struct Machine {
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<engine::HostFunctions> functions;
  store::testing::TemporaryFolder folder;

  Machine() {
    log::set_level(log::Level::kOff);
    engine = engine::testing::make_engine();
    functions = std::make_unique<engine::HostFunctions>(*engine);
    wasix::register_preview1(*functions);
    wasix::register_snapshot0(*functions);
    wasix::register_wasix(*functions);
  }
};

class Exchange final : public app::HttpExchange {
 public:
  Exchange(wire::RequestHead head, std::string_view content)
      : head_(std::move(head)), content_(content) {
    peer_.remote_address = "192.0.2.1";
  }
  const wire::RequestHead& request() const noexcept override { return head_; }
  const app::HttpPeer& peer() const noexcept override { return peer_; }
  std::string_view request_id() const noexcept override { return "r1"; }
  io::Task<std::size_t> read_body(base::MutableByteSpan buffer) override {
    const std::size_t count = std::min(buffer.size(), content_.size());
    std::ranges::copy(base::as_bytes(content_.substr(0, count)), buffer.begin());
    content_.remove_prefix(count);
    return io::Task<std::size_t>::ready(count);
  }
  io::Task<> send_head(wire::ResponseHead head) override {
    SELVEDGE_ASSERT(!head_sent_);
    head_sent_ = true;
    status = head.status.value();
    return io::Task<>::ready({});
  }
  io::Task<> write_body(base::ByteSpan /*bytes*/) override {
    SELVEDGE_ASSERT(head_sent_ && !finished);
    return io::Task<>::ready({});
  }
  io::Task<> finish() override {
    finished = true;
    return io::Task<>::ready({});
  }
  io::Task<> tunnel(wire::ResponseHead /*head*/, io::Stream& /*upstream*/,
                    base::ByteSpan /*early*/) override {
    return io::Task<>::ready(fail(ErrorKind::kUnsupported, "no tunnels here"));
  }
  void on_disconnect(std::move_only_function<void()> /*callback*/) override {}

  int status = 0;
  bool finished = false;

 private:
  wire::RequestHead head_;
  app::HttpPeer peer_;
  std::string_view content_;
};

// A store in memory, whose changes are counted and whose blobs are files too.
class Store final : public store::testing::MemoryStore, public store::BlobFiles {
 public:
  Result<store::Revision> put(const store::Key& key, base::ByteSpan bytes,
                              const store::Precondition& precondition) override {
    ++writes;
    return MemoryStore::put(key, bytes, precondition);
  }
  Result<> remove(const store::Key& key, const store::Precondition& precondition) override {
    ++writes;
    return MemoryStore::remove(key, precondition);
  }
  Result<base::UniqueFd> open_blob(const store::BlobHash& hash, std::uint64_t bytes_max) override {
    SELVEDGE_TRY(const auto bytes, get_blob(hash, bytes_max));
    base::UniqueFd file(::memfd_create("blob", MFD_CLOEXEC));
    SELVEDGE_ASSERT(file && ::write(file.get(), bytes.data(), bytes.size()) ==
                                static_cast<ssize_t>(bytes.size()));
    SELVEDGE_ASSERT(::lseek(file.get(), 0, SEEK_SET) == 0);
    return file;
  }
  std::uint64_t writes = 0;
};

// What each input finds anew.
struct World {
  explicit World(Machine& on) : machine(on) {
    read = tokens.create({.scope = TokenScope::kRead}).value().token;
    deploy = tokens.create({.scope = TokenScope::kDeploy, .apps = {"a"}}).value().token;
    admin = tokens.create({.scope = TokenScope::kAdmin}).value().token;
  }

  Machine& machine;
  io::testing::Simulation simulation{1};
  io::testing::SimulatedHost& host = simulation.add_host("node", {});
  io::testing::SimulatedHelperPool helpers{simulation};
  base::SeededRandom random{1};
  Store store;
  app::AppStore apps{store, simulation.clock()};
  app::AppSecrets secrets{store, random,
                          crypto::SecretKey(std::array<std::byte, crypto::SecretKey::kSize>{})};
  app::PackageRegistry packages{apps, simulation.clock()};
  app::VersionLoader loader{{.engine = *machine.engine,
                             .functions = *machine.functions,
                             .apps = apps,
                             .blobs = store,
                             .secrets = secrets,
                             .packages = packages}};
  app::AppCatalog catalog{
      host.reactor(),
      {.store = apps, .loader = loader, .store_helpers = helpers, .compile_helpers = helpers}};
  TokenStore tokens{store, random, simulation.clock()};
  AdminAccess access{
      {.reactor = host.reactor(),
       .tokens = tokens,
       .store_helpers = helpers,
       .audit_helpers = helpers,
       .audit = {.file = machine.folder.path() / "audit.log", .file_bytes_max = 1 << 20}}};
  PublicAddress address{.domain = "apps.test", .port = 80};
  AdminApi api{{.reactor = host.reactor(),
                .store = apps,
                .secrets = secrets,
                .packages = packages,
                .blobs = store,
                .loader = loader,
                .catalog = catalog,
                .store_helpers = helpers,
                .compile_helpers = helpers,
                .upload_folder = machine.folder.path(),
                .address = address,
                .access = &access}};
  std::string read;
  std::string deploy;
  std::string admin;
  // Sent last.
  std::string blob;
  std::size_t blob_size = 0;

  std::string filled_in(std::string_view text) const {
    std::string made;
    while (!text.empty()) {
      if (text.starts_with("$blob")) {
        made += blob;
        text.remove_prefix(5);
      } else if (text.starts_with("$size")) {
        made += std::to_string(blob_size);
        text.remove_prefix(5);
      } else {
        made += text.front();
        text.remove_prefix(1);
      }
    }
    return made;
  }
};

void run_request(World& world, std::uint8_t choice, std::string_view target,
                 std::string_view content) {
  constexpr std::array<std::string_view, 8> kMethods{"GET",  "PUT",   "POST", "DELETE",
                                                     "HEAD", "PATCH", "POST", "PUT"};
  const Door door = (choice & 0x80) != 0 ? Door::kNetwork : Door::kLocal;
  const std::array<std::string_view, 4> shown{"", world.read, world.deploy, world.admin};
  const std::string_view token = shown[choice >> 4 & 3];
  wire::HeaderList headers;
  headers.add("host", "node");
  const std::string value = "Bearer " + std::string(token);
  if (!token.empty()) {
    headers.add("authorization", wire::HeaderValue::parse(value).value());
  }
  headers.add_number("content-length", content.size());
  auto head = wire::RequestHead::create(wire::Method::parse(kMethods[choice & 7]).value(), target,
                                        std::move(headers));
  if (!head.has_value()) {
    return;
  }
  Exchange exchange(*std::move(head), content);
  AdminGate gate(door, world.api, world.access);
  const std::uint64_t writes = world.store.writes;
  const auto handled = world.host.reactor().run(gate.handle(exchange));
  SELVEDGE_ASSERT(handled.has_value() && exchange.finished);
  SELVEDGE_ASSERT(exchange.status >= 200 && exchange.status < 600);
  if (door == Door::kNetwork && token.empty()) {
    SELVEDGE_ASSERT(exchange.status == 401 || exchange.status == 429);
  }
  if (door == Door::kNetwork && token != world.admin && token != world.deploy) {
    SELVEDGE_ASSERT(world.store.writes == writes);
  }
}

void run(Machine& machine, std::string_view input) {
  World world(machine);
  for (std::size_t i = 0; i < kRequestsMax && !input.empty(); ++i) {
    const std::size_t end = input.find('\0', 1);
    std::string_view request = input.substr(0, end);
    input = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
    const auto choice = static_cast<std::uint8_t>(request.front());
    request.remove_prefix(1);
    const std::size_t line = request.find('\n');
    const std::string_view content =
        line == std::string_view::npos ? std::string_view() : request.substr(line + 1);
    if ((choice & 8) != 0) {
      world.blob = crypto::blake3(base::as_bytes(content)).hex();
      world.blob_size = content.size();
      run_request(world, (choice & 0xf0) | 1, "/v1/blobs/" + world.blob, content);
    } else {
      run_request(world, choice, world.filled_in(request.substr(0, line)),
                  world.filled_in(content));
    }
  }
  SELVEDGE_ASSERT(world.access.deploys == 0);
  [[maybe_unused]] const auto closed =
      world.host.reactor().run(world.access.close(io::Deadline::never()));
}

}  // namespace fuzz
}  // namespace selvedge::node

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static selvedge::node::fuzz::Machine machine;
  selvedge::node::fuzz::run(machine, selvedge::base::as_text(std::as_bytes(std::span(data, size))));
  return 0;
}
