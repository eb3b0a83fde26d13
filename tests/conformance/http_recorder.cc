// An HTTP server that answers every request with a JSON description of what it understood: method,
// target, host and content. The conformance tests compare that with what other servers understand.
// One shard; SIGTERM drains it.
//
//   http_recorder [PORT]        prints "listening PORT"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/format.h"
#include "base/log.h"
#include "base/system.h"
#include "gateway/http_server.h"
#include "io/kernel_network.h"
#include "io/signal_source.h"
#include "io/task_scope.h"

namespace selvedge {
namespace {

// Content beyond this is counted and not shown.
constexpr std::size_t kShownBytesMax = 64 * 1024;
constexpr base::Duration kDrainMax = std::chrono::seconds(10);

std::string to_hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

class Recorder final : public app::HttpHandler {
 public:
  io::Task<> handle(app::HttpExchange& exchange) override {
    std::string content;
    std::size_t size = 0;
    std::array<std::byte, 16 * 1024> buffer;
    for (;;) {
      SELVEDGE_CO_TRY(const std::size_t count, co_await exchange.read_body(buffer));
      if (count == 0) {
        break;
      }
      size += count;
      content.append(base::as_text(std::span(buffer).first(
          std::min(count, kShownBytesMax - std::min(kShownBytesMax, content.size())))));
    }
    const wire::RequestHead& request = exchange.request();
    const std::string answer =
        fmt::format(R"({{"method":"{}","target":"{}","host":"{}","size":{},"content":"{}"}})"
                    "\n",
                    request.method().text(), to_hex(request.target().text()),
                    to_hex(request.authority()), size, to_hex(content));
    wire::ResponseHead head;
    head.headers.add("content-type", "application/json");
    head.headers.add_number("content-length", answer.size());
    SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
    SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(answer)));
    co_return co_await exchange.finish();
  }
};

io::Task<> run(io::KernelReactor& reactor, std::uint16_t port) {
  io::KernelNetwork network(reactor);
  SELVEDGE_CO_TRY(const auto signals, io::SignalSource::create(reactor, {SIGTERM, SIGINT}));
  SELVEDGE_CO_TRY(const auto listener,
                  network.listen(io::SocketAddress(io::IpAddress::loopback_v4(), port)));
  base::SystemRandom random;
  base::Registry registry;
  gateway::HttpMetrics metrics(registry);
  Recorder recorder;
  gateway::HttpServer server(reactor, recorder, random, metrics, {});
  io::TaskScope scope(reactor);
  scope.spawn(server.serve(*listener));
  std::fputs(fmt::format("listening {}\n", listener->local_address().port()).c_str(), stdout);
  std::fflush(stdout);
  SELVEDGE_CO_TRY_VOID(co_await signals->next());
  SELVEDGE_CO_TRY_VOID(co_await server.stop(reactor.deadline_after(kDrainMax)));
  co_return co_await scope.close(reactor.deadline_after(kDrainMax));
}

int run_main(int argc, char** argv) {
  io::ignore_broken_pipe_signal();
  io::block_signals({SIGTERM, SIGINT});
  log::set_level(log::Level::kError);
  const base::SystemClock clock;
  const auto reactor = io::KernelReactor::create(clock);
  if (!reactor) {
    return 1;
  }
  const int port = argc > 1 ? std::atoi(argv[1]) : 0;
  const Result<> result = (*reactor)->run(run(**reactor, static_cast<std::uint16_t>(port)));
  if (!result) {
    std::fputs((result.error().message() + "\n").c_str(), stderr);
  }
  return result ? 0 : 1;
}

}  // namespace
}  // namespace selvedge

int main(int argc, char** argv) { return selvedge::run_main(argc, argv); }
