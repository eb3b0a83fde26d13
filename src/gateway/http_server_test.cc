#include "gateway/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/task_scope.h"
#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"

// Goal: what a client sees of connections, framing, time limits, failures and the drain. Method: a
// server and a client on simulated hosts, so that every timeout passes at once and one seed
// reproduces a run.

namespace selvedge::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::uint64_t kSeed = 7;

wire::ResponseHead ok() { return wire::ResponseHead{}; }

// Answers by path; see the tests.
class TestHandler final : public app::HttpHandler {
 public:
  explicit TestHandler(io::Reactor& reactor) : reactor_(reactor) {}

  io::Task<> handle(app::HttpExchange& exchange) override {
    ++calls;
    expected_at_call = expected;
    const std::string path(exchange.request().target().path());
    if (path == "/echo") {
      co_return co_await echo(exchange);
    }
    if (path == "/fail") {
      co_return fail(ErrorKind::kInternal, "as asked");
    }
    if (path == "/silent") {
      co_return {};
    }
    if (path == "/early") {
      co_return fail(ErrorKind::kOverloaded, "no room");
    }
    if (path == "/slow") {
      co_await reactor_.sleep(std::chrono::seconds(1));
    }
    if (path == "/gone" || path == "/late") {
      exchange.on_disconnect([this] { ++disconnects; });
      co_await reactor_.sleep(std::chrono::seconds(path == "/late" ? 30 : 5));
    }
    wire::ResponseHead head = ok();
    if (path == "/short" || path == "/long") {
      head.headers.add("content-length", "5");
    }
    if (path == "/bad-head") {
      head.headers.add("transfer-encoding", "chunked");
    }
    SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
    if (path == "/fail-after") {
      SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes("part")));
      co_return fail(ErrorKind::kInternal, "as asked");
    }
    if (path == "/big") {
      const std::string megabyte(1 << 20, 'x');
      SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(megabyte)));
    } else if (path == "/stream") {
      for (const std::string_view piece : {"one", "two", "three"}) {
        SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(piece)));
        co_await reactor_.sleep(std::chrono::milliseconds(10));
      }
    } else {
      SELVEDGE_CO_TRY_VOID(
          co_await exchange.write_body(base::as_bytes(path == "/long" ? "toolong" : "hi")));
    }
    co_return co_await exchange.finish();
  }

  void expect(const wire::RequestHead& request) noexcept override {
    expected = request.target().path();
  }

  int calls = 0;
  int disconnects = 0;
  std::string expected;
  std::string expected_at_call;

 private:
  static io::Task<> echo(app::HttpExchange& exchange) {
    std::string content;
    std::array<std::byte, 7> buffer{};
    for (;;) {
      SELVEDGE_CO_TRY(const std::size_t count, co_await exchange.read_body(buffer));
      if (count == 0) {
        break;
      }
      content += base::as_text(std::span(buffer).first(count));
    }
    wire::ResponseHead head = ok();
    head.headers.add_number("content-length", content.size());
    SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
    SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(content)));
    co_return co_await exchange.finish();
  }

  io::Reactor& reactor_;
};

struct Step {
  std::string send;
  base::Duration pause = {};  // before sending
};

class HttpServerTest : public ::testing::Test {
 protected:
  explicit HttpServerTest(HttpServerOptions options = {.connections_max = 4})
      : simulation_(kSeed),
        server_host_(simulation_.add_host("server", {io::IpAddress::v4({10, 0, 0, 1})})),
        client_host_(simulation_.add_host("client", {io::IpAddress::v4({10, 0, 0, 2})})),
        random_(kSeed),
        metrics_(registry_),
        handler_(server_host_.reactor()),
        server_(server_host_.reactor(), handler_, random_, metrics_, options),
        scope_(server_host_.reactor()) {
    auto listener =
        server_host_.network().listen(io::SocketAddress(io::IpAddress::any_v4(), 80), {});
    EXPECT_TRUE(listener);
    listener_ = *std::move(listener);
    scope_.spawn(server_.serve(*listener_));
  }

  io::Task<std::unique_ptr<io::Stream>> connect() {
    io::Reactor& reactor = client_host_.reactor();
    return client_host_.network().connect(io::SocketAddress(io::IpAddress::v4({10, 0, 0, 1}), 80),
                                          reactor.deadline_after(std::chrono::seconds(5)));
  }

  // Reads until the server closes, or nothing comes for `silence`.
  io::Task<std::string> receive(io::Stream& stream, base::Duration silence) {
    io::Reactor& reactor = client_host_.reactor();
    std::string received;
    std::vector<std::byte> buffer(65'536);
    for (;;) {
      const auto count = co_await stream.read(buffer, reactor.deadline_after(silence));
      if (!count || *count == 0) {
        closed_ = !count ? count.error().kind() == ErrorKind::kDisconnected : true;
        reset_ = !count && closed_;
        co_return received;
      }
      received += base::as_text(std::span(buffer).first(*count));
    }
  }

  io::Task<std::string> talk(std::vector<Step> steps, base::Duration silence) {
    SELVEDGE_CO_TRY(auto stream, co_await connect());
    io::Reactor& reactor = client_host_.reactor();
    for (const Step& step : steps) {
      if (step.pause > base::Duration::zero()) {
        co_await reactor.sleep(step.pause);
      }
      const auto sent = co_await stream->write_all(
          base::as_bytes(step.send), reactor.deadline_after(std::chrono::seconds(60)));
      if (!sent) {
        break;
      }
    }
    co_return co_await receive(*stream, silence);
  }

  // Sends the steps and returns all that came back.
  std::string converse(std::vector<Step> steps, base::Duration silence = std::chrono::seconds(2)) {
    auto result = client_host_.reactor().run(talk(std::move(steps), silence));
    return result ? *result : "error: " + result.error().message();
  }
  std::string converse(std::string_view text) { return converse({Step{std::string(text)}}); }

  io::testing::Simulation simulation_;
  io::testing::SimulatedHost& server_host_;
  io::testing::SimulatedHost& client_host_;
  base::SeededRandom random_;
  base::Registry registry_;
  HttpMetrics metrics_;
  TestHandler handler_;
  HttpServer server_;
  std::unique_ptr<io::Listener> listener_;
  bool closed_ = false;
  bool reset_ = false;
  io::TaskScope scope_;
};

std::string get(std::string_view path, std::string_view fields = "") {
  return std::string("GET ")
      .append(path)
      .append(" HTTP/1.1\r\nHost: h\r\n")
      .append(fields)
      .append("\r\n");
}
std::string post(std::string_view path, std::string_view fields, std::string_view content) {
  return std::string("POST ")
      .append(path)
      .append(" HTTP/1.1\r\nHost: h\r\n")
      .append(fields)
      .append("\r\n")
      .append(content);
}
std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(HttpServerTest, Handler_IsToldOfEachRequestBeforeItHandlesIt) {
  converse(get("/one") + get("/two"));
  EXPECT_EQ(handler_.calls, 2);
  EXPECT_EQ(handler_.expected_at_call, "/two");
}

TEST_F(HttpServerTest, Health_AnsweredWithoutTheHandler) {
  const std::string answer = converse(get(kHealthPath));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("content-length: 3\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\nok\n"));
  EXPECT_FALSE(closed_);
  EXPECT_EQ(handler_.calls, 0);
  EXPECT_TRUE(converse("HEAD /.well-known/selvedge/health HTTP/1.1\r\nHost: h\r\n\r\n")
                  .ends_with("\r\n\r\n"));
  EXPECT_THAT(converse(get(kHealthPath, "Connection: close\r\n")), HasSubstr("connection: close"));
  EXPECT_TRUE(closed_);
}

TEST_F(HttpServerTest, Pipelined_AnsweredInOrder) {
  const std::string answer = converse(
      post("/echo", "Content-Length: 5\r\n", "first") + get(kHealthPath) +
      post("/echo", "Transfer-Encoding: chunked\r\n", "3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n") +
      get("/echo", "Connection: close\r\n") + get("/echo"));
  EXPECT_EQ(count_of(answer, "HTTP/1.1 200 OK"), 4u);
  EXPECT_LT(answer.find("first"), answer.find("ok\n"));
  EXPECT_LT(answer.find("ok\n"), answer.find("second"));
  EXPECT_TRUE(closed_);
  EXPECT_FALSE(reset_);
  EXPECT_EQ(handler_.calls, 3);  // what follows "Connection: close" is not looked at
}

TEST_F(HttpServerTest, ByteByByte_SameAnswer) {
  std::vector<Step> steps;
  for (const char c :
       post("/echo", "Transfer-Encoding: chunked\r\n", "b\r\nhello world\r\n0\r\n\r\n")) {
    steps.push_back({std::string(1, c), std::chrono::milliseconds(1)});
  }
  EXPECT_TRUE(converse(steps).ends_with("\r\n\r\nhello world"));
}

TEST_F(HttpServerTest, Stream_ArrivesPieceByPieceChunked) {
  EXPECT_TRUE(
      converse(get("/stream")).ends_with("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"));
  EXPECT_FALSE(closed_);
}

TEST_F(HttpServerTest, Http10_EndsByClosing) {
  const std::string answer = converse("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("\r\n\r\nonetwothree"));
  EXPECT_THAT(answer, HasSubstr("connection: close"));
  EXPECT_TRUE(closed_);
}

TEST_F(HttpServerTest, Head_NoContent) {
  EXPECT_TRUE(converse("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n").ends_with("\r\n\r\n"));
  EXPECT_FALSE(closed_);
}

TEST_F(HttpServerTest, OptionsAsterisk_AnsweredHere) {
  EXPECT_THAT(converse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 204 "));
  EXPECT_EQ(handler_.calls, 0);
}

TEST_F(HttpServerTest, Big_ArrivesWhole) {
  const std::string answer = converse(get("/big"));
  EXPECT_EQ(count_of(answer, "x"), (1u << 20) + 1);  // and one in x-request-id
  EXPECT_TRUE(answer.ends_with("\r\n0\r\n\r\n"));
}

TEST_F(HttpServerTest, Refused_StatusThenClose) {
  const std::string answer = converse("GET / HTTP/1.1\nHost: h\n\n" + get("/echo"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer, HasSubstr("connection: close"));
  EXPECT_THAT(answer, HasSubstr("request id: "));
  EXPECT_TRUE(closed_);
  EXPECT_FALSE(reset_);
  EXPECT_EQ(handler_.calls, 0);
  EXPECT_THAT(converse(post("/echo", "Expect: x\r\nContent-Length: 1\r\n", "")),
              StartsWith("HTTP/1.1 417 "));
  EXPECT_THAT(converse(post("/echo", "Transfer-Encoding: chunked\r\n", "zz\r\n")),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_TRUE(closed_);
}

TEST_F(HttpServerTest, Continue_OnlyWhenTheHandlerReads) {
  const std::string reads =
      converse({{post("/echo", "Expect: 100-continue\r\nContent-Length: 2\r\n", "")},
                {"ok", std::chrono::milliseconds(500)}});
  EXPECT_THAT(reads, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
  EXPECT_FALSE(closed_);
  const std::string unread =
      converse(post("/x", "Expect: 100-continue\r\nContent-Length: 2\r\n", ""));
  EXPECT_THAT(unread, Not(HasSubstr("100 Continue")));
  EXPECT_THAT(unread, HasSubstr("connection: close"));
  EXPECT_TRUE(closed_);
}

TEST_F(HttpServerTest, UnreadContent_SmallIsDropped_LargeCloses) {
  const std::string kept =
      converse(post("/x", "Content-Length: 5\r\n", "hello") + get(kHealthPath));
  EXPECT_EQ(count_of(kept, "HTTP/1.1 200 OK"), 2u);
  EXPECT_FALSE(closed_);
  const std::string closed =
      converse(post("/x", "Content-Length: 1000000\r\n", std::string(1'000'000, 'y')));
  EXPECT_THAT(closed, HasSubstr("connection: close"));
  EXPECT_TRUE(closed_);
}

TEST_F(HttpServerTest, HandlerFailsBeforeHead_ErrorWithIdAndConnectionKept) {
  for (const std::string_view path : {"/fail", "/silent", "/bad-head"}) {
    const std::string answer = converse(get(path) + get("/echo"));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 Internal Server Error\r\n")) << path;
    EXPECT_THAT(answer, HasSubstr("x-request-id: "));
    EXPECT_THAT(answer, HasSubstr("HTTP/1.1 200 OK"));
  }
  EXPECT_THAT(converse(get("/early", "Accept: application/json\r\n")),
              HasSubstr("{\"status\":503,"));
}

TEST_F(HttpServerTest, HandlerFailsAfterHead_TruncatedAndClosed) {
  const std::string answer = converse(get("/fail-after") + get("/echo"));
  EXPECT_TRUE(answer.ends_with("4\r\npart\r\n"));
  EXPECT_TRUE(closed_);
  converse("GET /fail-after HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(reset_);  // nothing else could tell
  EXPECT_TRUE(converse(get("/short")).ends_with("\r\n\r\nhi"));
  EXPECT_TRUE(closed_);
  EXPECT_TRUE(converse(get("/long")).ends_with("\r\n\r\n"));
  EXPECT_TRUE(closed_);
}

TEST_F(HttpServerTest, SlowHead_408_IdleConnection_ClosedSilently) {
  EXPECT_THAT(converse({{"GET / HT"}}, std::chrono::seconds(11)), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(closed_);
  EXPECT_EQ(converse({}, std::chrono::seconds(11)), "");
  EXPECT_TRUE(closed_);
  const std::string once = converse({{get(kHealthPath)}}, std::chrono::seconds(61));
  EXPECT_EQ(count_of(once, "HTTP/1.1"), 1u);
  EXPECT_TRUE(closed_);
}

TEST_F(HttpServerTest, HeadDripping_408AfterTheHeadTimeout) {
  std::vector<Step> steps{{"GET / HTTP/1.1\r\nHost: h\r\n"}};
  for (int i = 0; i < 11; ++i) {
    steps.push_back({"X: y\r\n", std::chrono::seconds(1)});
  }
  EXPECT_THAT(converse(steps), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, ContentBelowMinimumRate_408) {
  std::vector<Step> steps{{post("/echo", "Content-Length: 10000\r\n", "")}};
  for (int i = 0; i < 10; ++i) {
    steps.push_back({std::string(100, 'x'), std::chrono::seconds(1)});
  }
  EXPECT_THAT(converse(steps), StartsWith("HTTP/1.1 408 "));
  std::vector<Step> fast{{post("/echo", "Content-Length: 6000\r\n", "")}};
  for (int i = 0; i < 20; ++i) {
    fast.push_back({std::string(300, 'x'), std::chrono::seconds(1)});
  }
  EXPECT_THAT(converse(fast), StartsWith("HTTP/1.1 200 "));
}

io::Task<> never_read(HttpServerTest*, io::Task<std::unique_ptr<io::Stream>> connecting,
                      std::unique_ptr<io::Stream>& kept, std::string request) {
  SELVEDGE_CO_TRY(kept, co_await std::move(connecting));
  co_return co_await kept->write_all(base::as_bytes(request));
}

TEST_F(HttpServerTest, ReaderThatNeverReads_IsDropped) {
  std::unique_ptr<io::Stream> kept;
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), kept, get("/big"))));
  simulation_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(server_.connection_count(), 1u);
  simulation_.run_for(std::chrono::seconds(10));
  EXPECT_EQ(server_.connection_count(), 0u);
}

TEST_F(HttpServerTest, ClientGone_HandlerIsTold) {
  std::unique_ptr<io::Stream> kept;
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), kept, get("/gone"))));
  simulation_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(handler_.disconnects, 0);
  kept->abort();
  simulation_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(handler_.disconnects, 1);
  simulation_.run_for(std::chrono::seconds(10));
  EXPECT_EQ(server_.connection_count(), 0u);
}

// RFC 9112, 9.6.
TEST_F(HttpServerTest, ClientThatHalfCloses_GetsItsWholeAnswer) {
  for (const std::string_view path : {"/gone", "/echo", "/stream"}) {
    std::unique_ptr<io::Stream> kept;
    ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), kept, get(path))));
    ASSERT_TRUE(kept->shutdown_write());
    const auto answer = client_host_.reactor().run(receive(*kept, std::chrono::seconds(10)));
    EXPECT_THAT(*answer, StartsWith("HTTP/1.1 200 OK")) << path;
    EXPECT_TRUE(path == "/echo" || answer->ends_with("0\r\n\r\n")) << path << *answer;
    EXPECT_TRUE(closed_ && !reset_) << path;
  }
  EXPECT_EQ(handler_.disconnects, 0);
}

TEST_F(HttpServerTest, ClientThatHalfCloses_IsNotWaitedForLong) {
  std::unique_ptr<io::Stream> kept;
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), kept, get("/late"))));
  ASSERT_TRUE(kept->shutdown_write());
  simulation_.run_for(std::chrono::seconds(9));
  EXPECT_EQ(handler_.disconnects, 0);
  simulation_.run_for(std::chrono::seconds(2));
  EXPECT_EQ(handler_.disconnects, 1);
}

TEST_F(HttpServerTest, ClientThatHalfClosedAndThenLeaves_IsNoticed) {
  std::unique_ptr<io::Stream> kept;
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), kept, get("/gone"))));
  ASSERT_TRUE(kept->shutdown_write());
  simulation_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(handler_.disconnects, 0);
  kept->abort();
  simulation_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(handler_.disconnects, 1);
}

TEST_F(HttpServerTest, Full_EvictsTheLongestIdle_ElseRefuses) {
  std::array<std::unique_ptr<io::Stream>, 4> idle;
  for (auto& stream : idle) {
    ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), stream, get(kHealthPath))));
    simulation_.run_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(server_.connection_count(), 4u);
  EXPECT_THAT(converse(get("/echo", "Connection: close\r\n")), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_EQ(server_.connection_count(), 3u);
  for (auto& stream : idle) {
    ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), stream, get("/slow"))));
    simulation_.run_for(std::chrono::milliseconds(10));
  }
  EXPECT_THAT(converse(get("/echo")), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpServerTest, Stop_FinishesWhatHasBegun) {
  std::unique_ptr<io::Stream> idle;
  std::unique_ptr<io::Stream> busy;
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), idle, get(kHealthPath))));
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), busy, get("/slow"))));
  simulation_.run_for(std::chrono::milliseconds(100));
  const base::MonotonicTime start = simulation_.now();
  io::Reactor& reactor = server_host_.reactor();
  EXPECT_TRUE(reactor.run(server_.stop(reactor.deadline_after(std::chrono::seconds(10)))));
  EXPECT_LT(simulation_.now() - start, std::chrono::seconds(2));
  EXPECT_EQ(server_.connection_count(), 0u);
  const auto answer = client_host_.reactor().run(receive(*busy, std::chrono::seconds(1)));
  EXPECT_THAT(*answer, HasSubstr("connection: close"));
  EXPECT_TRUE(answer->ends_with("0\r\n\r\n"));
  EXPECT_THAT(converse(get("/echo")), StartsWith("error: "));
}

TEST_F(HttpServerTest, Stop_EndsTheRestAtTheDeadline) {
  std::unique_ptr<io::Stream> busy;
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), busy, get("/gone"))));
  simulation_.run_for(std::chrono::milliseconds(100));
  io::Reactor& reactor = server_host_.reactor();
  const base::MonotonicTime start = simulation_.now();
  EXPECT_TRUE(reactor.run(server_.stop(reactor.deadline_after(std::chrono::seconds(2)))));
  EXPECT_LT(simulation_.now() - start, std::chrono::seconds(3));
  EXPECT_EQ(server_.connection_count(), 0u);
}

TEST_F(HttpServerTest, HandOver_LetsAnIdleConnectionBringOneMoreRequest) {
  std::unique_ptr<io::Stream> used;
  std::unique_ptr<io::Stream> unused;
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), used, get(kHealthPath))));
  ASSERT_TRUE(client_host_.reactor().run(never_read(this, connect(), unused, get(kHealthPath))));
  simulation_.run_for(std::chrono::milliseconds(100));
  io::TaskScope handing_over(server_host_.reactor());
  handing_over.spawn(server_.hand_over(std::chrono::seconds(20), std::chrono::seconds(5)));
  simulation_.run_for(std::chrono::seconds(10));
  EXPECT_EQ(server_.connection_count(), 2u);
  const std::string request = get("/slow");
  ASSERT_TRUE(client_host_.reactor().run(used->write_all(base::as_bytes(request))));
  const auto answer = client_host_.reactor().run(receive(*used, std::chrono::seconds(3)));
  EXPECT_THAT(*answer, HasSubstr("connection: close"));
  EXPECT_TRUE(answer->ends_with("0\r\n\r\n"));
  EXPECT_TRUE(closed_);
  simulation_.run_for(std::chrono::milliseconds(100));
  EXPECT_EQ(server_.connection_count(), 1u);
  EXPECT_THAT(converse(get("/echo")), StartsWith("error: "));  // nobody listens
  simulation_.run_for(std::chrono::seconds(10));
  EXPECT_EQ(server_.connection_count(), 0u);
  EXPECT_TRUE(server_host_.reactor().run(handing_over.close()));
}

}  // namespace
}  // namespace selvedge::gateway
