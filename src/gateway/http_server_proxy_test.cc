#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "app/proxy_runner.h"
#include "gateway/http_server.h"
#include "io/task_scope.h"
#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"

// Goal: a request passes client, gateway, proxy, program and back with its meaning intact. Method:
// the program is a second HTTP server of ours, so that its strict parser judges what it is sent.

namespace selvedge::gateway {
namespace {

using std::chrono::seconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::uint64_t kSeed = 3;

io::SocketAddress address(std::uint8_t host, std::uint16_t port) {
  return {io::IpAddress::v4({10, 0, 0, host}), port};
}

// Answers with the target, the fields and the content of the request.
class MirrorHandler final : public app::HttpHandler {
 public:
  io::Task<> handle(app::HttpExchange& exchange) override {
    std::string text(exchange.request().target().text());
    text += '\n';
    for (const wire::Header field : exchange.request().headers()) {
      text.append(field.name.text()).append("=").append(field.value.text()).append("\n");
    }
    std::array<std::byte, 1000> buffer{};
    for (;;) {
      SELVEDGE_CO_TRY(const std::size_t count, co_await exchange.read_body(buffer));
      if (count == 0) {
        break;
      }
      text += base::as_text(std::span(buffer).first(count));
    }
    wire::ResponseHead head;
    head.headers.add("x-program", "mirror");
    SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
    SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(text)));
    co_return co_await exchange.finish();
  }
};

// A program that runs from the start to the end.
class ServerProgram final : public app::UpstreamInstance {
 public:
  explicit ServerProgram(io::testing::SimulatedHost& gateway)
      : gateway_(gateway), ended_(gateway.reactor()) {
    ended_.set();
  }
  Result<> start() override {
    ended_.reset();
    return {};
  }
  io::Task<std::unique_ptr<io::Stream>> connect(io::Deadline deadline) override {
    return gateway_.network().connect(address(3, 8080), deadline);
  }
  io::Event& ended() noexcept override { return ended_; }
  std::string end_reason() const override { return "ended"; }
  void request_stop() noexcept override { ended_.set(); }
  void kill() noexcept override { ended_.set(); }

 private:
  io::testing::SimulatedHost& gateway_;
  io::Event ended_;
};

class HttpServerProxyTest : public ::testing::Test {
 protected:
  HttpServerProxyTest()
      : simulation_(kSeed),
        gateway_(simulation_.add_host("gateway", {io::IpAddress::v4({10, 0, 0, 1})})),
        client_(simulation_.add_host("client", {io::IpAddress::v4({10, 0, 0, 2})})),
        host_(simulation_.add_host("program", {io::IpAddress::v4({10, 0, 0, 3})})),
        random_(kSeed),
        metrics_(registry_),
        program_(gateway_),
        runner_(gateway_.reactor(), program_, random_, {}),
        server_(gateway_.reactor(), runner_, random_, metrics_, HttpServerOptions{}),
        inner_(host_.reactor(), mirror_, random_, metrics_, HttpServerOptions{}),
        listener_(*gateway_.network().listen(address(1, 80))),
        inner_listener_(*host_.network().listen(address(3, 8080))),
        inner_scope_(host_.reactor()),
        scope_(gateway_.reactor()) {
    scope_.spawn(server_.serve(*listener_));
    inner_scope_.spawn(inner_.serve(*inner_listener_));
    runner_.start();
  }
  ~HttpServerProxyTest() override {
    io::Reactor& reactor = gateway_.reactor();
    EXPECT_TRUE(reactor.run(server_.stop(reactor.deadline_after(seconds(1)))));
    EXPECT_TRUE(reactor.run(runner_.stop(reactor.deadline_after(seconds(1)))));
  }

  // Sends the pieces, one second apart, and returns all that comes until two seconds of silence.
  io::Task<std::string> talk(std::vector<std::string> pieces) {
    io::Reactor& reactor = client_.reactor();
    SELVEDGE_CO_TRY(auto stream, co_await client_.network().connect(
                                     address(1, 80), reactor.deadline_after(seconds(5))));
    for (const std::string& piece : pieces) {
      SELVEDGE_CO_TRY_VOID(co_await stream->write_all(base::as_bytes(piece)));
      co_await reactor.sleep(seconds(1));
    }
    std::string received;
    std::vector<std::byte> buffer(65'536);
    for (;;) {
      const auto count = co_await stream->read(buffer, reactor.deadline_after(seconds(2)));
      if (!count || *count == 0) {
        co_return received;
      }
      received += base::as_text(std::span(buffer).first(*count));
    }
  }
  std::string converse(std::vector<std::string> pieces) {
    auto result = client_.reactor().run(talk(std::move(pieces)));
    return result ? *result : "error: " + result.error().message();
  }

  io::testing::Simulation simulation_;
  io::testing::SimulatedHost& gateway_;
  io::testing::SimulatedHost& client_;
  io::testing::SimulatedHost& host_;
  base::SeededRandom random_;
  base::Registry registry_;
  HttpMetrics metrics_;
  MirrorHandler mirror_;
  ServerProgram program_;
  app::ProxyRunner runner_;
  HttpServer server_;
  HttpServer inner_;
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<io::Listener> inner_listener_;
  io::TaskScope inner_scope_;
  io::TaskScope scope_;
};

TEST_F(HttpServerProxyTest, TrustedProxies_AreBelievedFromTheNextRequestOn) {
  const std::string request =
      "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9\r\n"
      "X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";
  EXPECT_THAT(converse({request}), HasSubstr("forwarded=for=10.0.0.2;host=h;proto=http\n"));
  const std::vector<std::string> entries{"10.0.0.2"};
  server_.set_trusted_proxies(*TrustedProxies::parse(entries));
  EXPECT_THAT(converse({request}), HasSubstr("forwarded=for=203.0.113.9;host=h;proto=https\n"));
  server_.set_trusted_proxies({});
  EXPECT_THAT(converse({request}), HasSubstr("x-forwarded-for=10.0.0.2\n"));
}

TEST_F(HttpServerProxyTest, Request_ArrivesNormalisedAndForwarded) {
  const std::string received =
      converse({"GET /a/../b?q HTTP/1.1\r\nHost: h:80\r\nCookie: c\r\n"
                "X-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n"});
  EXPECT_THAT(received, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(received, HasSubstr("x-program: mirror\r\n"));
  EXPECT_THAT(received, HasSubstr("connection: close\r\n"));
  EXPECT_THAT(received, HasSubstr("/b?q\nhost=h:80\nCookie=c\n"
                                  "forwarded=for=10.0.0.2;host=\"h:80\";proto=http\n"
                                  "x-forwarded-for=10.0.0.2\n"));
  EXPECT_THAT(received, Not(HasSubstr("1.2.3.4")));
}

TEST_F(HttpServerProxyTest, Pipelined_AnsweredInOrderOverOneConnection) {
  const std::string get = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string received = converse({get + get + get});
  std::size_t answers = 0;
  for (std::size_t at = received.find("200 OK"); at != std::string::npos;
       at = received.find("200 OK", at + 1)) {
    ++answers;
  }
  EXPECT_EQ(answers, 3U);
  EXPECT_EQ(runner_.metrics().connections, 1U);
}

TEST_F(HttpServerProxyTest, Expect_AnsweredByTheGateway_ContentChunkedThrough) {
  const std::string received =
      converse({"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                "Expect: 100-continue\r\n\r\n",
                "3\r\none\r\n", "4;x\r\n two\r\n0\r\nTrailer-Field: t\r\n\r\n"});
  EXPECT_THAT(received, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(received, HasSubstr("transfer-encoding=chunked\n"));
  EXPECT_THAT(received, HasSubstr("one two"));
  EXPECT_THAT(received, Not(HasSubstr("xpect")));
}

TEST_F(HttpServerProxyTest, ContentMalformed_400_ProgramGetsNoWholeRequest) {
  EXPECT_THAT(converse({"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
                        "3\r\none\r\nx"}),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerProxyTest, Head_NoContent_Http10_UntilClose) {
  EXPECT_THAT(converse({"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"}), EndsWith("\r\n\r\n"));
  const std::string received = converse({"GET / HTTP/1.0\r\n\r\n"});
  EXPECT_THAT(received, HasSubstr("connection: close\r\n"));
  EXPECT_THAT(received, HasSubstr("/\nhost=10.0.0.1:80\n"));
  EXPECT_THAT(received, Not(HasSubstr("chunked")));
}

TEST_F(HttpServerProxyTest, OfferOfWebSocketDeclined_OrdinaryAnswer_ThenClosed) {
  const std::string received =
      converse({"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"});
  EXPECT_THAT(received, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(received, HasSubstr("upgrade=websocket\n"));
  EXPECT_THAT(received, Not(HasSubstr("smuggled")));
}

}  // namespace
}  // namespace selvedge::gateway
