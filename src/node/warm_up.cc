#include "node/warm_up.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "app/app_config.h"
#include "app/app_directory.h"
#include "app/app_records.h"
#include "app/app_router.h"
#include "app/package_image.h"
#include "app/program.h"
#include "base/bytes.h"
#include "base/format.h"
#include "base/metrics.h"
#include "gateway/http_server.h"
#include "io/deadline.h"
#include "io/shard_stream.h"

namespace selvedge::node {
namespace {

constexpr std::string_view kName = "warm-up";
// A module of its size compiles in milliseconds, on a machine that is not busy with something else.
constexpr base::Duration kTimeMax = std::chrono::seconds(5);
constexpr std::size_t kAnswerBytes = 1024;

// Answers by CGI.
constexpr std::string_view kProgram = R"((module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\10\00\00\00\20\00\00\00Content-Type: text/plain\r\n\r\nwarm")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))
)";
constexpr std::string_view kConfig = R"(kind: wasmer.io/App.v0
name: warm-up
package: .
env:
  NAME: "value"
)";
constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: warm-up.localhost\r\nConnection: close\r\n\r\n";
constexpr std::string_view kGoodAnswer = "HTTP/1.1 200 ";

// Knows one app, with one version.
class OneApp final : public app::AppDirectory {
 public:
  explicit OneApp(const WarmUpOptions& options) noexcept : options_(options) {}

  io::Task<std::optional<app::ActiveRecord>> find_app(std::string /*app*/) override {
    co_return app::ActiveRecord{.versions = {{.version = 1}}};
  }
  io::Task<std::shared_ptr<const app::AppVersion>> find_version(
      std::string /*app*/, app::VersionNumber /*version*/) override {
    return options_.compile_helpers.run(
        options_.shard.reactor(),
        [&engine = options_.shard.engine(), &functions = options_.functions] {
          return make_warm_up_version(engine, functions);
        });
  }
  io::Task<std::optional<std::string>> find_domain(std::string /*domain*/) override {
    co_return std::nullopt;
  }

 private:
  WarmUpOptions options_;
};

io::Task<> ask(io::Stream& connection, io::Deadline deadline) {
  SELVEDGE_CO_TRY_VOID(co_await connection.write_all(base::as_bytes(kRequest), deadline));
  std::array<std::byte, kAnswerBytes> buffer;
  std::string answer;
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await connection.read(buffer, deadline));
    if (count == 0 || answer.size() >= kAnswerBytes) {
      break;
    }
    answer += base::as_text(base::ByteSpan(buffer).first(count));
  }
  if (!answer.starts_with(kGoodAnswer)) {
    co_return fail_format(ErrorKind::kInternal, "the answer is \"{}\"",
                          answer.substr(0, answer.find('\r')));
  }
  co_return {};
}

}  // namespace

Result<std::shared_ptr<const app::AppVersion>> make_warm_up_version(
    engine::Engine& engine, const engine::HostFunctions& functions) {
  SELVEDGE_TRY(const auto wasm, engine::wat_to_wasm(kProgram));
  const app::BlobReference blob{.hash = crypto::blake3(wasm), .bytes = wasm.size()};
  const std::string name(kName);
  SELVEDGE_TRY(const auto image, app::parse_package_image(app::to_json(app::PackageImage{
                                     .name = name,
                                     .version = "1.0.0",
                                     .entrypoint = name,
                                     .modules = {{.name = name, .blob = blob}},
                                     .volumes = {},
                                     .commands = {{.name = name,
                                                   .module = name,
                                                   .runner = app::RunnerKind::kWcgi,
                                                   .program_name = name,
                                                   .main_args = {},
                                                   .environment = {}}}})));
  SELVEDGE_TRY(auto record, app::parse_version_record(
                                app::to_json(app::VersionRecord{.number = 1,
                                                                .package = app::identity(image),
                                                                .config = std::string(kConfig),
                                                                .created = 0})));
  SELVEDGE_TRY(auto config, app::parse_app_config(record.config, "app.yaml"));
  SELVEDGE_TRY(const app::ImageCommand* const command, app::main_command(image));
  app::ProgramOptions options;
  options.name = name;
  options.runner = command->runner;
  options.arguments = {command->program_name};
  options.environment = app::merge_environments(command->environment, config.environment);
  SELVEDGE_TRY(auto linked, app::link_program(engine, functions, wasm));
  return std::make_shared<const app::AppVersion>(app::AppVersion{
      .app = name,
      .record = std::move(record),
      .config = std::move(config),
      .secrets_revision = {},
      .program = app::Program::create(std::move(linked), functions, std::move(options)),
      .permits = nullptr,
      .places = nullptr});
}

io::Task<> warm_up(WarmUpOptions options) {
  io::Reactor& reactor = options.shard.reactor();
  const io::Deadline deadline = reactor.deadline_after(kTimeMax);
  base::Registry registry;
  gateway::HttpMetrics metrics(registry);
  OneApp directory(options);
  app::AppRouter router(options.shard, directory, nullptr, options.random, {.domain = "localhost"});
  gateway::HttpServer server(reactor, router, options.random, metrics, {});
  auto ends = io::make_shard_stream_pair(reactor, reactor);
  if (!server.adopt(std::move(ends.second))) {
    co_return fail(ErrorKind::kInternal, "no connection is taken");
  }
  auto answered = co_await ask(*ends.first, deadline);
  ends.first.reset();
  [[maybe_unused]] const auto stopped = co_await router.stop(deadline);
  co_return answered;
}

}  // namespace selvedge::node
