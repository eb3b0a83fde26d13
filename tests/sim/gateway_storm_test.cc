// Goal: whatever the network does, an answer that arrives whole is the right one, the gateway leaks
// no connection and its drain ends. Method: a gateway and clients on simulated hosts that send
// requests in random pieces and give up at random, over a network that loses and resets, between
// partitions. Each seed is another storm; SELVEDGE_SIM_SEED=N runs just that one.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/http_exchange.h"
#include "base/format.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "gateway/http_server.h"
#include "io/task_scope.h"
#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"

namespace selvedge {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 12;
constexpr int kHosts = 3;
constexpr int kClientsPerHost = 6;
constexpr int kRequestsPerClient = 12;
constexpr std::size_t kContentBytesMax = 20'000;

enum class Weather { kCalm, kStorm };

struct Outcome {
  int answered = 0;
  int broken = 0;
  int abandoned = 0;
  int wrong = 0;
  std::size_t connections_left = 0;
  std::uint64_t digest = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Answers with the request's content, once it has it all.
class EchoHandler final : public app::HttpHandler {
 public:
  io::Task<> handle(app::HttpExchange& exchange) override {
    std::string content;
    std::array<std::byte, 999> buffer{};
    for (;;) {
      SELVEDGE_CO_TRY(const std::size_t count, co_await exchange.read_body(buffer));
      if (count == 0) {
        break;
      }
      content += base::as_text(std::span(buffer).first(count));
    }
    wire::ResponseHead head;
    head.headers.add_number("content-length", content.size());
    SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
    SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(content)));
    co_return co_await exchange.finish();
  }
};

io::testing::SimulationOptions network_of(std::uint64_t seed, Weather weather) {
  if (weather == Weather::kCalm) {
    return {};
  }
  base::SeededRandom random(seed);
  return {.latency_max = std::chrono::microseconds(100 + random.below(50'000)),
          .stream_buffer_bytes = 2'000 + random.below(60'000),
          .segment_loss_ppm = static_cast<std::uint32_t>(random.below(30'000)),
          .connection_reset_ppm = static_cast<std::uint32_t>(random.below(3'000))};
}

class Storm {
 public:
  Storm(std::uint64_t seed, Weather weather)
      : weather_(weather), simulation_(seed, network_of(seed, weather)), random_(seed + 1) {
    log::set_level(log::Level::kError);  // every broken connection is a line
  }

  Outcome run() {
    auto listener = server_host_.network().listen(address_).value();
    io::TaskScope serving(server_host_.reactor());
    serving.spawn(server_.serve(*listener));
    {
      io::TaskScope chaos(server_host_.reactor());
      if (weather_ == Weather::kStorm) {
        chaos.spawn(make_partitions());
      }
      EXPECT_TRUE(hosts_[0]->reactor().run(run_clients()));
    }
    io::Reactor& reactor = server_host_.reactor();
    EXPECT_TRUE(reactor.run(server_.stop(reactor.deadline_after(2min))));
    outcome_.connections_left = server_.connection_count();
    EXPECT_EQ(metrics_.requests_active.value(), 0);
    outcome_.digest = simulation_.trace_digest();
    return outcome_;
  }

 private:
  io::Task<> run_clients() {
    std::vector<std::unique_ptr<io::TaskScope>> scopes;
    for (io::testing::SimulatedHost* host : hosts_) {
      scopes.push_back(std::make_unique<io::TaskScope>(host->reactor()));
      for (int i = 0; i < kClientsPerHost; ++i) {
        scopes.back()->spawn(run_client(*host));
      }
    }
    while (std::ranges::any_of(scopes, [](const auto& scope) { return !scope->empty(); })) {
      co_await hosts_[0]->reactor().sleep(100ms);
    }
    co_return {};
  }

  io::Task<> run_client(io::testing::SimulatedHost& host) {
    std::unique_ptr<io::Stream> stream;
    for (int i = 0; i < kRequestsPerClient; ++i) {
      const io::Deadline deadline = host.reactor().deadline_after(5min);
      if (!stream) {
        auto connected = co_await host.network().connect(address_, deadline);
        if (!connected) {
          ++outcome_.broken;
          continue;
        }
        stream = *std::move(connected);
      }
      auto kept = co_await ask(host.reactor(), *stream, deadline);
      if (!kept) {
        ++outcome_.broken;
      }
      if (!kept || !*kept) {
        stream.reset();
      }
    }
    co_return {};
  }

  // One request and its answer; whether the connection is still good. Errors: it broke.
  io::Task<bool> ask(io::Reactor& reactor, io::Stream& stream, io::Deadline deadline) {
    std::string content(random_.below(kContentBytesMax), '\0');
    for (char& character : content) {
      character = static_cast<char>('a' + random_.below(26));
    }
    std::string request = encode(content);
    const bool gives_up = weather_ == Weather::kStorm && random_.below(20) == 0;
    if (gives_up) {
      request.resize(random_.below(request.size()));
    }
    std::string_view rest(request);
    while (!rest.empty()) {
      const std::size_t size = std::min<std::size_t>(rest.size(), 1 + random_.below(4000));
      SELVEDGE_CO_TRY_VOID(
          co_await stream.write_all(base::as_bytes(rest.substr(0, size)), deadline));
      rest.remove_prefix(size);
      if (random_.below(4) == 0) {
        co_await reactor.sleep(std::chrono::milliseconds(random_.below(50)));
      }
    }
    if (gives_up) {
      ++outcome_.abandoned;
      co_return false;
    }
    SELVEDGE_CO_TRY(const std::string answer, co_await receive(stream, deadline));
    if (answer == content) {
      ++outcome_.answered;
    } else {
      ++outcome_.wrong;
    }
    co_return true;
  }

  std::string encode(std::string_view content) {
    std::string request = "POST /echo HTTP/1.1\r\nHost: storm\r\n";
    if (random_.below(2) == 0) {
      return request + fmt::format("Content-Length: {}\r\n\r\n{}", content.size(), content);
    }
    request += "Transfer-Encoding: chunked\r\n\r\n";
    while (!content.empty()) {
      const std::size_t size = std::min<std::size_t>(content.size(), 1 + random_.below(3000));
      request += fmt::format("{:x}\r\n{}\r\n", size, content.substr(0, size));
      content.remove_prefix(size);
    }
    return request + "0\r\n\r\n";
  }

  // The content of one 200 answer with a Content-Length; anything else counts as wrong content.
  static io::Task<std::string> receive(io::Stream& stream, io::Deadline deadline) {
    constexpr std::string_view kLength = "content-length: ";
    std::string received;
    std::vector<std::byte> buffer(3000);
    for (;;) {
      const std::size_t head_end = received.find("\r\n\r\n");
      if (head_end != std::string::npos) {
        const std::size_t field = received.find(kLength);
        std::size_t length = 0;
        if (received.starts_with("HTTP/1.1 408 ")) {  // a partition made us too slow
          co_return fail(ErrorKind::kTimeout, "the gateway gave up");
        }
        if (!received.starts_with("HTTP/1.1 200 ") || field > head_end) {
          co_return "not the expected head: " + received;
        }
        std::from_chars(received.data() + field + kLength.size(), received.data() + head_end,
                        length);
        if (received.size() >= head_end + 4 + length) {
          co_return received.substr(head_end + 4);
        }
      }
      SELVEDGE_CO_TRY(const std::size_t count, co_await stream.read(buffer, deadline));
      if (count == 0) {
        co_return fail(ErrorKind::kDisconnected, "the answer was cut");
      }
      received += base::as_text(base::ByteSpan(buffer).first(count));
    }
  }

  io::Task<> make_partitions() {
    io::Reactor& reactor = server_host_.reactor();
    for (;;) {
      co_await reactor.sleep(std::chrono::milliseconds(random_.below(5000)));
      const io::testing::SimulatedHost& host = *hosts_[random_.below(kHosts)];
      simulation_.partition(server_host_, host);
      co_await reactor.sleep(std::chrono::milliseconds(random_.below(30'000)));
      simulation_.heal(server_host_, host);
    }
  }

  Weather weather_;
  io::testing::Simulation simulation_;
  base::SeededRandom random_;
  base::Registry registry_;
  gateway::HttpMetrics metrics_{registry_};
  EchoHandler handler_;
  Outcome outcome_;
  io::testing::SimulatedHost& server_host_ =
      simulation_.add_host("server", {io::IpAddress::v4({10, 0, 0, 1})});
  std::array<io::testing::SimulatedHost*, kHosts> hosts_{
      &simulation_.add_host("a", {io::IpAddress::v4({10, 0, 0, 2})}),
      &simulation_.add_host("b", {io::IpAddress::v4({10, 0, 0, 3})}),
      &simulation_.add_host("c", {io::IpAddress::v4({10, 0, 0, 4})})};
  io::SocketAddress address_{io::IpAddress::v4({10, 0, 0, 1}), 80};
  gateway::HttpServer server_{server_host_.reactor(), handler_, random_, metrics_, {}};
};

std::vector<std::uint64_t> seeds() {
  if (const char* chosen = std::getenv("SELVEDGE_SIM_SEED")) {
    return {std::strtoull(chosen, nullptr, 10)};
  }
  std::vector<std::uint64_t> all(kSeeds);
  std::ranges::generate(all, [seed = std::uint64_t{0}]() mutable { return ++seed; });
  return all;
}

class GatewayStorm : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(GatewayStorm, Calm_EveryRequestIsAnswered) {
  const Outcome outcome = Storm(GetParam(), Weather::kCalm).run();
  EXPECT_EQ(outcome.answered, kHosts * kClientsPerHost * kRequestsPerClient);
  EXPECT_EQ(outcome.broken, 0);
  EXPECT_EQ(outcome.wrong, 0);
  EXPECT_EQ(outcome.connections_left, 0U);
}

TEST_P(GatewayStorm, Storm_NoWrongAnswerAndNothingLeftAfterTheDrain) {
  const Outcome outcome = Storm(GetParam(), Weather::kStorm).run();
  EXPECT_GT(outcome.answered, 0);
  EXPECT_EQ(outcome.wrong, 0);
  EXPECT_EQ(outcome.answered + outcome.broken + outcome.abandoned,
            kHosts * kClientsPerHost * kRequestsPerClient);
  EXPECT_EQ(outcome.connections_left, 0U);
}

TEST_P(GatewayStorm, Storm_SameSeed_IsTheSameRun) {
  EXPECT_EQ(Storm(GetParam(), Weather::kStorm).run(), Storm(GetParam(), Weather::kStorm).run());
}

INSTANTIATE_TEST_SUITE_P(Seeds, GatewayStorm, ::testing::ValuesIn(seeds()),
                         [](const auto& info) { return fmt::format("Seed{}", info.param); });

}  // namespace
}  // namespace selvedge
