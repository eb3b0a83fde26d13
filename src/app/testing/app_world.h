#pragma once

// Apps in a store on this disk, and what can run them, for tests of this module and of higher ones.
// Aborts the test when something of it cannot be made.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/app_secrets.h"
#include "app/app_store.h"
#include "app/app_version.h"
#include "app/http_exchange.h"
#include "app/package_image.h"
#include "app/package_registry.h"
#include "base/clock.h"
#include "base/random.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "io/helper_pool.h"
#include "store/directory_store.h"
#include "store/pause.h"
#include "store/testing/store_world.h"
#include "wire/http_message.h"

namespace selvedge::app::testing {

// The text of a CGI program that answers `content` to every request.
std::string cgi_program(std::string_view content);
// The text of a program that claims to listen, and ends at once.
std::string listening_program();

class AppWorld {
 public:
  explicit AppWorld(const base::Clock& clock);

  AppStore& apps() noexcept { return apps_; }
  store::Store& blobs() noexcept { return *store_; }
  store::BlobFiles& blob_files() noexcept { return *store_; }
  const VersionLoader& loader() const noexcept { return loader_; }
  engine::Engine& engine() noexcept { return *engine_; }
  PackageRegistry& packages() noexcept { return packages_; }
  AppSecrets& secrets() noexcept { return secrets_; }
  const std::filesystem::path& store_folder() const noexcept { return folder_.path(); }

  BlobReference put_blob(base::ByteSpan bytes);
  // A package of one command, whose module (a text) is in the store.
  PackageImage image_of(std::string_view wat);
  // A new version of the app, which is not active yet.
  VersionNumber deploy(const std::string& app, std::string_view wat, std::string_view config = "");
  VersionNumber deploy_image(const std::string& app, const PackageImage& image,
                             std::string_view config = "");
  void activate(const std::string& app, const std::vector<VersionWeight>& versions);

 private:
  store::testing::TemporaryFolder folder_;
  base::SeededRandom random_{1};
  store::ThreadPause pause_;
  std::unique_ptr<store::DirectoryStore> store_;
  AppStore apps_;
  AppSecrets secrets_;
  PackageRegistry packages_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::HostFunctions> functions_;
  VersionLoader loader_;
};

// Runs what it is given when the test says so, on the test's thread.
class ManualHelperPool final : public io::HelperPool {
 public:
  std::size_t size() const noexcept { return jobs_.size(); }
  // The oldest one.
  void run_one();

 protected:
  bool submit(std::move_only_function<void()> run_job) override;

 private:
  std::vector<std::move_only_function<void()>> jobs_;
};

// One request, as a gateway would hand it over, and what was answered.
class RecordingExchange final : public HttpExchange {
 public:
  RecordingExchange(std::string_view method, std::string_view host, std::string_view target,
                    std::string content = "");

  const wire::RequestHead& request() const noexcept override { return request_; }
  const HttpPeer& peer() const noexcept override { return peer_; }
  std::string_view request_id() const noexcept override { return "r1"; }
  io::Task<std::size_t> read_body(base::MutableByteSpan buffer) override;
  io::Task<> send_head(wire::ResponseHead head) override;
  io::Task<> write_body(base::ByteSpan bytes) override;
  io::Task<> finish() override;
  io::Task<> tunnel(wire::ResponseHead head, io::Stream& upstream, base::ByteSpan early) override;
  void on_disconnect(std::move_only_function<void()> callback) override;

  // Before the request is handled.
  void add_header(std::string_view name, std::string_view value);
  void change_peer(HttpPeer peer) { peer_ = std::move(peer); }

  int status = 0;
  wire::HeaderList headers;
  std::string received;
  bool finished = false;
  // From now on the client is gone.
  bool disconnected = false;

 private:
  void parse(std::string head);

  std::string head_;  // without the empty line
  wire::RequestHead request_;
  HttpPeer peer_;
  std::string content_;
  std::size_t position_ = 0;
};

}  // namespace selvedge::app::testing
