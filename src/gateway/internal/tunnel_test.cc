#include "gateway/internal/tunnel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "io/task_scope.h"
#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"

// Goal: bytes pass a switched connection unchanged both ways, and only a switched one; it ends when
// it should. Method: a client, a server whose handler switches, and an upstream on simulated hosts.

namespace selvedge::gateway::internal {
namespace {

using std::chrono::seconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint64_t kSeed = 11;
constexpr std::string_view kOffer =
    "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: k\r\n\r\n";

io::SocketAddress address(std::uint8_t host, std::uint16_t port) {
  return {io::IpAddress::v4({10, 0, 0, host}), port};
}

// Dials the upstream and switches, whatever the request is.
class SwitchingHandler final : public app::HttpHandler {
 public:
  explicit SwitchingHandler(io::testing::SimulatedHost& host) : host_(host) {}

  io::Task<> handle(app::HttpExchange& exchange) override {
    exchange.on_disconnect([this] { ++disconnects; });
    SELVEDGE_CO_TRY(auto upstream, co_await host_.network().connect(
                                       address(3, 7), host_.reactor().deadline_after(seconds(5))));
    wire::ResponseHead head{.status = status};
    head.headers.add("sec-websocket-accept", "a");
    head.headers.add("connection", "upgrade");
    head.headers.add("content-length", "5");
    Result<> result = co_await exchange.tunnel(std::move(head), *upstream, base::as_bytes("early"));
    outcome = result ? "ended" : result.error().message();
    co_return result;
  }

  wire::StatusCode status{101};
  std::string outcome;
  int disconnects = 0;

 private:
  io::testing::SimulatedHost& host_;
};

class TunnelTest : public ::testing::Test {
 protected:
  TunnelTest()
      : simulation_(kSeed),
        server_host_(simulation_.add_host("server", {io::IpAddress::v4({10, 0, 0, 1})})),
        client_host_(simulation_.add_host("client", {io::IpAddress::v4({10, 0, 0, 2})})),
        upstream_host_(simulation_.add_host("upstream", {io::IpAddress::v4({10, 0, 0, 3})})),
        random_(kSeed),
        metrics_(registry_),
        handler_(server_host_),
        server_(server_host_.reactor(), handler_, random_, metrics_, HttpServerOptions{}),
        listener_(*server_host_.network().listen(address(1, 80))),
        upstream_listener_(*upstream_host_.network().listen(address(3, 7))),
        upstream_scope_(upstream_host_.reactor()),
        scope_(server_host_.reactor()) {
    scope_.spawn(server_.serve(*listener_));
    upstream_scope_.spawn(serve_upstream(*this));
  }

  // Echoes, and remembers what it got.
  static io::Task<> serve_upstream(TunnelTest& test) {
    SELVEDGE_CO_TRY(auto stream, co_await test.upstream_listener_->accept());
    if (!test.upstream_reads_) {
      co_await test.upstream_host_.reactor().sleep(seconds(1000));
    }
    std::array<std::byte, 4096> buffer{};
    for (;;) {
      const auto count = co_await stream->read(buffer);
      if (!count || *count == 0) {
        test.upstream_end_ = count ? "end" : "broken";
        co_return {};
      }
      const base::ByteSpan bytes = std::span(buffer).first(*count);
      test.upstream_received_ += base::as_text(bytes);
      SELVEDGE_CO_TRY_VOID(co_await stream->write_all(bytes));
    }
  }

  // Sends `text`, and returns all that comes until the end or `silence`.
  io::Task<std::string> talk(std::string text, base::Duration silence, bool finishes) {
    io::Reactor& reactor = client_host_.reactor();
    SELVEDGE_CO_TRY(auto stream, co_await client_host_.network().connect(
                                     address(1, 80), reactor.deadline_after(seconds(5))));
    SELVEDGE_CO_TRY_VOID(co_await stream->write_all(base::as_bytes(text)));
    std::string received;
    std::vector<std::byte> buffer(65'536);
    for (;;) {
      const auto count = co_await stream->read(buffer, reactor.deadline_after(silence));
      if (!count || *count == 0) {
        closed_ = count || count.error().kind() == ErrorKind::kDisconnected;
        co_return received;
      }
      received += base::as_text(std::span(buffer).first(*count));
      if (finishes && received.size() > text.size()) {
        SELVEDGE_CO_TRY_VOID(stream->shutdown_write());
      }
    }
  }
  std::string converse(std::string text, base::Duration silence = seconds(2),
                       bool finishes = false) {
    auto result = client_host_.reactor().run(talk(std::move(text), silence, finishes));
    return result ? *result : "error: " + result.error().message();
  }

  io::testing::Simulation simulation_;
  io::testing::SimulatedHost& server_host_;
  io::testing::SimulatedHost& client_host_;
  io::testing::SimulatedHost& upstream_host_;
  base::SeededRandom random_;
  base::Registry registry_;
  HttpMetrics metrics_;
  SwitchingHandler handler_;
  HttpServer server_;
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<io::Listener> upstream_listener_;
  std::string upstream_received_;
  std::string upstream_end_;
  bool upstream_reads_ = true;
  bool closed_ = false;
  io::TaskScope upstream_scope_;
  io::TaskScope scope_;
};

TEST_F(TunnelTest, Switched_HeadThenEarlyThenEcho) {
  const std::string received = converse(std::string(kOffer) + "ahead");
  EXPECT_THAT(received,
              StartsWith("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: a\r\n"));
  EXPECT_THAT(received, HasSubstr("connection: Upgrade\r\nupgrade: websocket\r\n\r\nearly"));
  EXPECT_THAT(received, EndsWith("earlyahead"));
  EXPECT_EQ(received.find("content-length"), std::string::npos);
  EXPECT_EQ(upstream_received_, "ahead");
}

TEST_F(TunnelTest, ManyBytes_ArriveWholeAndInOrder) {
  std::string text;
  for (std::size_t i = 0; i < 100'000; ++i) {
    text += static_cast<char>('a' + i * i % 26);
  }
  EXPECT_THAT(converse(std::string(kOffer) + text), EndsWith("early" + text));
}

TEST_F(TunnelTest, ClientFinishes_UpstreamSeesTheEnd_AndBothEnd) {
  converse(std::string(kOffer) + "ahead", seconds(30), true);
  EXPECT_TRUE(closed_);
  EXPECT_EQ(upstream_end_, "end");
  EXPECT_EQ(handler_.outcome, "ended");
  EXPECT_EQ(handler_.disconnects, 0);
}

TEST_F(TunnelTest, NothingPasses_StaysUntilTheIdleTimeout) {
  converse(std::string(kOffer), seconds(290));
  EXPECT_FALSE(closed_);
}

TEST_F(TunnelTest, NothingPassesForLong_Closed) {
  converse(std::string(kOffer), seconds(310));
  EXPECT_TRUE(closed_);
  EXPECT_NE(upstream_end_, "");
}

TEST_F(TunnelTest, UpstreamDoesNotRead_ClientWaits_ThenClosed) {
  upstream_reads_ = false;
  converse(std::string(kOffer) + std::string(2'000'000, 'c'), seconds(310));
  EXPECT_LT(metrics_.bytes_received_total.value(), 300'000U);
  EXPECT_NE(handler_.outcome, "");
  EXPECT_EQ(server_.connection_count(), 0U);
}

TEST_F(TunnelTest, NoOffer_NothingSwitched) {
  const std::string received = converse("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(received, StartsWith("HTTP/1.1 500 "));
  EXPECT_EQ(upstream_received_, "");
  EXPECT_THAT(handler_.outcome, HasSubstr("does not offer"));
}

TEST_F(TunnelTest, OtherStatus_Refused_BytesSentAheadGoNowhere) {
  handler_.status = wire::StatusCode(200);
  const std::string received = converse(std::string(kOffer) + "GET /smuggled HTTP/1.1\r\n\r\n");
  EXPECT_THAT(received, StartsWith("HTTP/1.1 500 "));
  EXPECT_TRUE(closed_);
  EXPECT_EQ(upstream_received_, "");
}

TEST_F(TunnelTest, Stop_EndsAtTheNextPause) {
  io::TaskScope stopping(server_host_.reactor());
  simulation_.at(simulation_.now() + seconds(2), [&] {
    stopping.spawn(server_.stop(server_host_.reactor().deadline_after(seconds(60))));
  });
  const base::MonotonicTime start = simulation_.now();
  converse(std::string(kOffer) + "ahead", seconds(30));
  EXPECT_TRUE(closed_);
  EXPECT_LT(simulation_.now() - start, seconds(5));
  EXPECT_EQ(server_.connection_count(), 0U);
}

}  // namespace
}  // namespace selvedge::gateway::internal
