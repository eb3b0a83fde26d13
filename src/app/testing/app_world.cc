#include "app/testing/app_world.h"

#include <algorithm>
#include <array>
#include <utility>

#include "app/app_config.h"
#include "base/assert.h"
#include "base/format.h"
#include "engine/testing/guests.h"
#include "wasix/host_functions.h"
#include "wire/http1_request_parser.h"

namespace selvedge::app::testing {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result.has_value()) {
    fmt::print(stderr, "{}\n", result.error().message());
  }
  SELVEDGE_ASSERT(result.has_value());
  return *std::move(result);
}

void must(Result<> result) {
  if (!result.has_value()) {
    fmt::print(stderr, "{}\n", result.error().message());
  }
  SELVEDGE_ASSERT(result.has_value());
}

// As a string of the text format.
std::string escaped(std::string_view bytes) {
  std::string made;
  for (const char c : bytes) {
    made += fmt::format("\\{:02x}", static_cast<unsigned char>(c));
  }
  return made;
}

std::unique_ptr<engine::HostFunctions> functions_of(engine::Engine& engine) {
  auto functions = std::make_unique<engine::HostFunctions>(engine);
  wasix::register_preview1(*functions);
  wasix::register_snapshot0(*functions);
  wasix::register_wasix(*functions);
  return functions;
}

crypto::SecretKey cluster_secret() {
  constexpr std::array<std::byte, crypto::SecretKey::kSize> kBytes{};
  return crypto::SecretKey(kBytes);
}

}  // namespace

std::string cgi_program(std::string_view content) {
  const std::string output = fmt::format("Content-Type: text/plain\r\n\r\n{}", content);
  return fmt::format(R"((module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\10\00\00\00\{:02x}\00\00\00")
  (data (i32.const 16) "{}")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))
)",
                     output.size(), escaped(output));
}

std::string listening_program() {
  return R"((module
  (import "wasix_32v1" "sock_listen" (func (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
)";
}

AppWorld::AppWorld(const base::Clock& clock)
    : store_(must(store::DirectoryStore::open(
          {.root = folder_.path(), .random = random_, .pause = pause_}))),
      apps_(*store_, clock),
      secrets_(*store_, random_, cluster_secret()),
      packages_(apps_, clock),
      engine_(engine::testing::make_engine()),
      functions_(functions_of(*engine_)),
      loader_({.engine = *engine_,
               .functions = *functions_,
               .apps = apps_,
               .blobs = *store_,
               .secrets = secrets_,
               .packages = packages_}) {}

BlobReference AppWorld::put_blob(base::ByteSpan bytes) {
  return {.hash = must(store_->put_blob(bytes)), .bytes = bytes.size()};
}

PackageImage AppWorld::image_of(std::string_view wat) {
  const auto binary = must(engine::wat_to_wasm(wat));
  return {.name = "test",
          .version = "1",
          .entrypoint = std::nullopt,
          .modules = {{.name = "m", .blob = put_blob(binary)}},
          .volumes = {},
          .commands = {{.name = "c",
                        .module = "m",
                        .runner = std::nullopt,
                        .program_name = "c",
                        .main_args = {},
                        .environment = {}}}};
}

VersionNumber AppWorld::deploy(const std::string& app, std::string_view wat,
                               std::string_view config) {
  return deploy_image(app, image_of(wat), config);
}

VersionNumber AppWorld::deploy_image(const std::string& app, const PackageImage& image,
                                     std::string_view config) {
  const auto identity = must(apps_.put_image(image));
  return must(apps_.create_version(app, identity, fmt::format("kind: {}\n{}", kAppKind, config)))
      .number;
}

void AppWorld::activate(const std::string& app, const std::vector<VersionWeight>& versions) {
  must(apps_.activate(app, {.versions = versions}));
}

void ManualHelperPool::run_one() {
  SELVEDGE_ASSERT(!jobs_.empty());
  auto job = std::move(jobs_.front());
  jobs_.erase(jobs_.begin());
  job();
}

bool ManualHelperPool::submit(std::move_only_function<void()> run_job) {
  jobs_.push_back(std::move(run_job));
  return true;
}

RecordingExchange::RecordingExchange(std::string_view method, std::string_view host,
                                     std::string_view target, std::string content)
    : content_(std::move(content)) {
  parse(fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", method, target, host,
                    content_.size()));
  peer_.remote_address = "192.0.2.1";
}

void RecordingExchange::add_header(std::string_view name, std::string_view value) {
  parse(fmt::format("{}{}: {}\r\n", head_, name, value));
}

void RecordingExchange::parse(std::string head) {
  head_ = std::move(head);
  wire::Http1RequestParser parser({});
  SELVEDGE_ASSERT(parser.next(base::as_bytes(head_ + "\r\n")).has_value());
  request_ = parser.head();
}

io::Task<std::size_t> RecordingExchange::read_body(base::MutableByteSpan buffer) {
  if (disconnected) {
    return io::Task<std::size_t>::ready(fail(ErrorKind::kDisconnected, "the client is gone"));
  }
  const std::size_t count = std::min(buffer.size(), content_.size() - position_);
  std::ranges::copy(base::as_bytes(content_).subspan(position_, count), buffer.begin());
  position_ += count;
  return io::Task<std::size_t>::ready(count);
}

io::Task<> RecordingExchange::send_head(wire::ResponseHead head) {
  SELVEDGE_ASSERT(!head_sent_);
  if (disconnected) {
    return io::Task<>::ready(fail(ErrorKind::kDisconnected, "the client is gone"));
  }
  head_sent_ = true;
  status = head.status.value();
  headers = std::move(head.headers);
  return io::Task<>::ready({});
}

io::Task<> RecordingExchange::write_body(base::ByteSpan bytes) {
  SELVEDGE_ASSERT(head_sent_);
  if (disconnected) {
    return io::Task<>::ready(fail(ErrorKind::kDisconnected, "the client is gone"));
  }
  received += base::as_text(bytes);
  return io::Task<>::ready({});
}

io::Task<> RecordingExchange::finish() {
  finished = true;
  return io::Task<>::ready({});
}

io::Task<> RecordingExchange::tunnel(wire::ResponseHead /*head*/, io::Stream& /*upstream*/,
                                     base::ByteSpan /*early*/) {
  return io::Task<>::ready(fail(ErrorKind::kUnsupported, "no tunnels in this test"));
}

void RecordingExchange::on_disconnect(std::move_only_function<void()> /*callback*/) {}

}  // namespace selvedge::app::testing
