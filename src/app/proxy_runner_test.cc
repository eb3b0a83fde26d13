#include "app/proxy_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"
#include "wire/http1_request_parser.h"

// Goal: what a client gets, and what becomes of connections and of the program, for everything that
// a listening program may do. Method: a program that answers by path, on a simulated network; an
// exchange that records.

namespace selvedge::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kSeed = 5;
const io::SocketAddress kAddress(io::IpAddress::v4({10, 0, 0, 2}), 8080);

// One request, as a gateway would hand it over.
class RecordingExchange final : public HttpExchange {
 public:
  RecordingExchange(std::string_view method, std::string_view target, std::string content = "",
                    std::string_view fields = "")
      : content_(std::move(content)) {
    wire::Http1RequestParser parser({});
    std::string text(method);
    text.append(" ").append(target).append(" HTTP/1.1\r\nHost: h\r\n").append(fields);
    if (!content_.empty()) {
      text.append("Content-Length: ").append(std::to_string(content_.size())).append("\r\n");
    }
    EXPECT_TRUE(parser.next(base::as_bytes(text.append("\r\n")))) << text;
    request_ = parser.head();
    peer_.remote_address = "192.0.2.1";
  }

  const wire::RequestHead& request() const noexcept override { return request_; }
  const HttpPeer& peer() const noexcept override { return peer_; }
  std::string_view request_id() const noexcept override { return "r1"; }
  io::Task<std::size_t> read_body(base::MutableByteSpan buffer) override {
    if (read_error) {
      return io::Task<std::size_t>::ready(fail(*read_error, "as the test says"));
    }
    const std::size_t count = std::min(buffer.size(), content_.size() - content_position_);
    std::ranges::copy(base::as_bytes(content_).subspan(content_position_, count), buffer.begin());
    content_position_ += count;
    return io::Task<std::size_t>::ready(count);
  }
  io::Task<> send_head(wire::ResponseHead head) override {
    head_sent_ = true;
    const Result<> sanitized = wire::sanitize_response_head(head);
    status = head.status.value();
    retry_after = head.headers.find("retry-after").value_or("");
    return io::Task<>::ready(sanitized ? Result<>() : fail(sanitized.error().clone()));
  }
  io::Task<> write_body(base::ByteSpan bytes) override {
    received += base::as_text(bytes);
    return io::Task<>::ready({});
  }
  io::Task<> finish() override {
    finished = true;
    return io::Task<>::ready({});
  }
  io::Task<> tunnel(wire::ResponseHead head, io::Stream& upstream, base::ByteSpan early) override {
    status = head.status.value();
    received = base::as_text(early);
    SELVEDGE_CO_TRY_VOID(co_await upstream.write_all(base::as_bytes("ping")));
    std::array<std::byte, 16> buffer{};
    SELVEDGE_CO_TRY(const std::size_t count, co_await upstream.read(buffer));
    received += base::as_text(std::span(buffer).first(count));
    finished = true;
    co_return {};
  }
  void on_disconnect(std::move_only_function<void()> callback) override {
    disconnect = std::move(callback);
  }

  int status = 0;
  std::string retry_after;
  std::string received;
  bool finished = false;
  std::optional<ErrorKind> read_error;
  std::move_only_function<void()> disconnect;

 private:
  wire::RequestHead request_;
  HttpPeer peer_;
  std::string content_;
  std::size_t content_position_ = 0;
};

// A program on a host of its own.
class ScriptedProgram final : public UpstreamInstance {
 public:
  ScriptedProgram(io::testing::SimulatedHost& gateway, io::testing::SimulatedHost& host)
      : gateway_(gateway), host_(host), ended_(gateway.reactor()) {
    ended_.set();
  }

  Result<> start() override {
    EXPECT_TRUE(ended_.is_set());
    ended_.reset();
    ++starts;
    connections_ = std::make_unique<io::TaskScope>(host_.reactor());
    if (listens) {
      auto listener = host_.network().listen(kAddress);
      EXPECT_TRUE(listener);
      listener_ = *std::move(listener);
      connections_->spawn(accept(*this));
    }
    return {};
  }
  io::Task<std::unique_ptr<io::Stream>> connect(io::Deadline deadline) override {
    return gateway_.network().connect(kAddress, deadline);
  }
  io::Event& ended() noexcept override { return ended_; }
  std::string end_reason() const override { return "exited with code 3"; }
  void request_stop() noexcept override {
    ++stops;
    if (obeys_stop) {
      kill();
    }
  }
  void kill() noexcept override {
    if (!ended_.is_set()) {
      ++kills;
      if (listener_ != nullptr) {
        listener_->close();
      }
      connections_->cancel();
      ended_.set();
    }
  }

  std::vector<std::string> targets;   // of the requests, in order
  std::vector<std::string> contents;  // of the complete ones
  bool listens = true;
  bool obeys_stop = true;
  int starts = 0;
  int stops = 0;
  int kills = 0;
  int accepted = 0;
  int closed = 0;

 private:
  static io::Task<> accept(ScriptedProgram& program) {
    for (;;) {
      SELVEDGE_CO_TRY(auto stream, co_await program.listener_->accept());
      ++program.accepted;
      program.connections_->spawn(serve(program, std::move(stream)));
    }
  }

  static io::Task<> serve(ScriptedProgram& program, std::unique_ptr<io::Stream> stream) {
    wire::Http1RequestParser parser({});
    std::string input;
    std::string content;
    std::array<std::byte, 4096> buffer{};
    for (;;) {
      const auto event = parser.next(base::as_bytes(input));
      if (!event) {
        co_return {};
      }
      content += base::as_text(event->data);
      input.erase(0, event->consumed);
      if (event->kind == wire::Http1EventKind::kEnd) {
        const std::string target(parser.head().target().path());
        program.targets.push_back(target);
        program.contents.push_back(std::exchange(content, ""));
        SELVEDGE_CO_TRY(const bool stays, co_await answer(program, *stream, target));
        if (!stays) {
          co_return {};
        }
        parser.start_next();
      } else if (event->kind == wire::Http1EventKind::kNeedMore) {
        const auto count = co_await stream->read(buffer);
        if (!count || *count == 0) {
          ++program.closed;
          co_return {};
        }
        input += base::as_text(std::span(buffer).first(*count));
      } else if (event->kind == wire::Http1EventKind::kHead &&
                 parser.head().target().path() == "/takes-nothing") {
        co_await program.host_.reactor().sleep(seconds(600));
      } else if (event->kind == wire::Http1EventKind::kHead &&
                 parser.head().target().path() == "/rejects") {
        SELVEDGE_CO_TRY_VOID(co_await stream->write_all(
            base::as_bytes("HTTP/1.1 413 x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")));
        co_await program.host_.reactor().sleep(seconds(1));
        co_return {};
      }
    }
  }

  // False: the connection ends.
  static io::Task<bool> answer(ScriptedProgram& program, io::Stream& stream,
                               const std::string& target) {
    struct Script {
      std::string_view target;
      std::string_view text;
      bool stays;
    };
    static constexpr auto kScripts = std::to_array<Script>({
        {"/", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true},
        {"/head", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", true},
        {"/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
         true},
        {"/close", "HTTP/1.0 200 OK\r\n\r\nuntil the end", false},
        {"/interim", "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", true},
        {"/nothing", "", false},
        {"/half-head", "HTTP/1.1 200 OK\r\nA:", false},
        {"/half-content", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false},
        {"/malformed", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", true},
        {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz", true},
        {"/extra", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n", true},
        {"/switch", "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello,",
         true},
        {"/switch-other", "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", true},
    });
    if (target == "/slow") {
      co_await program.host_.reactor().sleep(seconds(600));
    }
    if (target == "/wait") {
      co_await program.host_.reactor().sleep(seconds(2));
    }
    if (target == "/crash") {
      program.kill();
      co_return false;
    }
    const auto script = std::ranges::find(kScripts, target, &Script::target);
    const Script& found = script == kScripts.end() ? kScripts[0] : *script;
    SELVEDGE_CO_TRY_VOID(co_await stream.write_all(base::as_bytes(found.text)));
    if (target == "/switch") {
      std::array<std::byte, 16> buffer{};
      SELVEDGE_CO_TRY(const std::size_t count, co_await stream.read(buffer));
      SELVEDGE_CO_TRY_VOID(co_await stream.write_all(std::span(buffer).first(count)));
    }
    co_return found.stays;
  }

  io::testing::SimulatedHost& gateway_;
  io::testing::SimulatedHost& host_;
  io::Event ended_;
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<io::TaskScope> connections_;
};

class ProxyRunnerTest : public ::testing::Test {
 protected:
  ProxyRunnerTest()
      : simulation_(kSeed),
        gateway_(simulation_.add_host("gateway", {io::IpAddress::v4({10, 0, 0, 1})})),
        host_(simulation_.add_host("program", {io::IpAddress::v4({10, 0, 0, 2})})),
        random_(kSeed),
        program_(gateway_, host_),
        runner_(gateway_.reactor(), program_, random_, limits()),
        scope_(gateway_.reactor()) {}
  ~ProxyRunnerTest() override { stop(seconds(0)); }

  static ProxyLimits limits() {
    ProxyLimits limits;
    limits.concurrency_max = 2;
    limits.queue_max = 1;
    limits.queue_time_max = seconds(1);
    return limits;
  }
  void start() {
    runner_.start();
    simulation_.run_for(milliseconds(100));
  }
  void stop(base::Duration grace) {
    const auto stopped =
        gateway_.reactor().run(runner_.stop(gateway_.reactor().deadline_after(grace)));
    EXPECT_TRUE(stopped) << stopped.error().message();
  }
  // What the task of the handler ended with: "" for success.
  std::string handle(RecordingExchange& exchange) {
    const auto result = gateway_.reactor().run(runner_.handle(exchange));
    return result ? "" : result.error().message();
  }
  int status_of(std::string_view target) {
    RecordingExchange exchange("GET", target);
    handle(exchange);
    return exchange.status;
  }
  // Runs beside the test.
  void spawn(RecordingExchange& exchange) { scope_.spawn(runner_.handle(exchange)); }

  io::testing::Simulation simulation_;
  io::testing::SimulatedHost& gateway_;
  io::testing::SimulatedHost& host_;
  base::SeededRandom random_;
  ScriptedProgram program_;
  ProxyRunner runner_;
  io::TaskScope scope_;
};

TEST_F(ProxyRunnerTest, KeptConnection_ServesRequestAfterRequest) {
  start();
  for (const std::string_view target : {"/", "/chunked", "/", "/interim", "/"}) {
    RecordingExchange exchange("GET", target);
    EXPECT_EQ(handle(exchange), "");
    EXPECT_TRUE(exchange.finished);
    EXPECT_EQ(exchange.received, target == "/interim" ? "" : "hi");
  }
  EXPECT_EQ(program_.accepted, 1);
}

TEST_F(ProxyRunnerTest, ContentUntilClose_PassedOn_NextRequestOnANewConnection) {
  start();
  RecordingExchange exchange("GET", "/close");
  EXPECT_EQ(handle(exchange), "");
  EXPECT_EQ(exchange.received, "until the end");
  EXPECT_EQ(status_of("/"), 200);
  EXPECT_EQ(program_.accepted, 2);
}

TEST_F(ProxyRunnerTest, IdleConnection_ClosedInTime) {
  start();
  EXPECT_EQ(status_of("/"), 200);
  simulation_.run_for(seconds(5));
  EXPECT_EQ(program_.closed, 1);
}

TEST_F(ProxyRunnerTest, Content_StreamedThrough) {
  start();
  const std::string content(200'000, 'c');
  RecordingExchange exchange("POST", "/", content);
  EXPECT_EQ(handle(exchange), "");
  EXPECT_EQ(exchange.received, "hi");
  EXPECT_THAT(program_.contents, ElementsAre(content));
  EXPECT_EQ(status_of("/"), 200);
  EXPECT_EQ(program_.accepted, 1);
}

TEST_F(ProxyRunnerTest, HeadRequest_NoContent_ConnectionKept) {
  start();
  RecordingExchange exchange("HEAD", "/head");
  EXPECT_EQ(handle(exchange), "");
  EXPECT_TRUE(exchange.finished);
  EXPECT_EQ(exchange.received, "");
  EXPECT_EQ(status_of("/"), 200);
  EXPECT_EQ(program_.accepted, 1);
}

TEST_F(ProxyRunnerTest, ProgramTakesNoContent_504) {
  start();
  RecordingExchange exchange("POST", "/takes-nothing", std::string(2'000'000, 'c'));
  const base::MonotonicTime begin = simulation_.now();
  EXPECT_EQ(handle(exchange), "");
  EXPECT_EQ(exchange.status, 504);
  EXPECT_LT(simulation_.now() - begin, seconds(62));
}

TEST_F(ProxyRunnerTest, EarlyAnswerToContent_PassedOn_ConnectionNotKept) {
  start();
  RecordingExchange exchange("POST", "/rejects", std::string(2'000'000, 'c'));
  handle(exchange);
  EXPECT_EQ(exchange.status, 413);
  EXPECT_EQ(status_of("/"), 200);
  EXPECT_EQ(program_.accepted, 2);
}

TEST_F(ProxyRunnerTest, ContentFails_ProgramGetsNoWholeRequest) {
  start();
  for (const auto& [kind, status] :
       {std::pair(ErrorKind::kInvalid, 400), std::pair(ErrorKind::kOverloaded, 413),
        std::pair(ErrorKind::kTimeout, 408)}) {
    RecordingExchange exchange("POST", "/", "content");
    exchange.read_error = kind;
    handle(exchange);
    EXPECT_EQ(exchange.status, status);
  }
  EXPECT_THAT(program_.targets, ElementsAre());
}

TEST_F(ProxyRunnerTest, NoValidHead_502) {
  start();
  for (const std::string_view target :
       {"/nothing", "/half-head", "/malformed", "/switch", "/switch-other"}) {
    RecordingExchange exchange("POST", target);
    EXPECT_EQ(handle(exchange), "");
    EXPECT_EQ(exchange.status, 502) << target;
    EXPECT_THAT(exchange.received, HasSubstr("Request r1"));
  }
  EXPECT_EQ(status_of("/"), 200);
}

TEST_F(ProxyRunnerTest, BrokenAfterTheHead_Cut) {
  start();
  for (const std::string_view target : {"/half-content", "/bad-chunk"}) {
    RecordingExchange exchange("GET", target);
    EXPECT_NE(handle(exchange), "");
    EXPECT_EQ(exchange.status, 200);
    EXPECT_FALSE(exchange.finished);
  }
  EXPECT_EQ(runner_.metrics().failed_after_head, 2U);
}

TEST_F(ProxyRunnerTest, BytesBehindTheResponse_ConnectionNotKept) {
  start();
  EXPECT_EQ(status_of("/extra"), 200);
  EXPECT_EQ(status_of("/"), 200);
  EXPECT_EQ(program_.accepted, 2);
}

TEST_F(ProxyRunnerTest, NoHeadInTime_504) {
  start();
  const base::MonotonicTime begin = simulation_.now();
  EXPECT_EQ(status_of("/slow"), 504);
  EXPECT_LT(simulation_.now() - begin, seconds(61));
  EXPECT_EQ(runner_.metrics().timed_out, 1U);
}

// The program ends the connection without an answer, as if it had closed it before.
TEST_F(ProxyRunnerTest, KeptConnectionBreaks_RepeatableRequestSentOnceMore) {
  start();
  EXPECT_EQ(status_of("/"), 200);
  EXPECT_EQ(status_of("/nothing"), 502);
  EXPECT_THAT(program_.targets, ElementsAre("/", "/nothing", "/nothing"));
  EXPECT_EQ(status_of("/"), 200);
  RecordingExchange post("POST", "/nothing");
  handle(post);
  EXPECT_EQ(post.status, 502);
  EXPECT_EQ(runner_.metrics().retried, 1U);
}

TEST_F(ProxyRunnerTest, UnrepeatableRequest_OnlyConnectionsAtWorkAMomentAgo) {
  start();
  EXPECT_EQ(status_of("/"), 200);
  simulation_.run_for(seconds(2));
  RecordingExchange post("POST", "/");
  handle(post);
  EXPECT_EQ(post.status, 200);
  EXPECT_EQ(program_.accepted, 2);
}

TEST_F(ProxyRunnerTest, ClientGone_ConnectionClosed) {
  start();
  RecordingExchange exchange("GET", "/slow");
  spawn(exchange);
  simulation_.run_for(seconds(1));
  exchange.disconnect();
  simulation_.run_for(seconds(1));
  EXPECT_EQ(runner_.metrics().abandoned, 1U);
  EXPECT_EQ(exchange.status, 0);
  EXPECT_TRUE(scope_.empty());
}

TEST_F(ProxyRunnerTest, TooManyRequests_503) {
  start();
  RecordingExchange first("GET", "/slow");
  RecordingExchange second("GET", "/slow");
  RecordingExchange waits("GET", "/");
  spawn(first);
  spawn(second);
  spawn(waits);
  simulation_.run_for(milliseconds(10));
  EXPECT_EQ(status_of("/"), 503);
  simulation_.run_for(seconds(2));
  EXPECT_EQ(waits.status, 503);
  EXPECT_EQ(waits.retry_after, "1");
  EXPECT_EQ(runner_.metrics().overloaded, 2U);
  scope_.cancel();
  simulation_.run_for(milliseconds(1));
}

TEST_F(ProxyRunnerTest, Switch_BecomesATunnel) {
  start();
  RecordingExchange exchange("GET", "/switch", "", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
  EXPECT_EQ(handle(exchange), "");
  EXPECT_EQ(exchange.status, 101);
  EXPECT_EQ(exchange.received, "hello,ping");
  EXPECT_EQ(runner_.metrics().tunnels, 1U);
  RecordingExchange other("GET", "/switch-other", "",
                          "Connection: Upgrade\r\nUpgrade: websocket\r\n");
  handle(other);
  EXPECT_EQ(other.status, 502);
}

TEST_F(ProxyRunnerTest, RequestDuringTheStart_WaitsForIt) {
  runner_.start();
  EXPECT_EQ(status_of("/"), 200);
  EXPECT_EQ(program_.accepted, 1);
}

TEST_F(ProxyRunnerTest, NeverListens_503AndStartedAgain) {
  program_.listens = false;
  runner_.start();
  const base::MonotonicTime begin = simulation_.now();
  RecordingExchange exchange("GET", "/");
  handle(exchange);
  EXPECT_EQ(exchange.status, 503);
  EXPECT_NE(exchange.retry_after, "");
  EXPECT_GE(simulation_.now() - begin, seconds(29));
  EXPECT_EQ(program_.kills, 1);
  program_.listens = true;
  simulation_.run_for(seconds(1));
  EXPECT_EQ(program_.starts, 2);
  EXPECT_EQ(status_of("/"), 200);
}

TEST_F(ProxyRunnerTest, Crashes_StartedLaterEachTime) {
  start();
  std::vector<base::Duration> pauses;
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(status_of("/crash"), 502);
    EXPECT_EQ(status_of("/"), 503);
    const base::MonotonicTime begin = simulation_.now();
    const int starts = program_.starts;
    while (program_.starts == starts) {
      simulation_.run_for(milliseconds(1));
    }
    pauses.push_back(simulation_.now() - begin);
    simulation_.run_for(milliseconds(100));
  }
  EXPECT_LE(pauses.front(), milliseconds(101));
  EXPECT_GE(pauses.back(), milliseconds(1500));
  EXPECT_LE(pauses.back(), milliseconds(3201));
  // A run that lasted makes it forget.
  simulation_.run_for(seconds(11));
  EXPECT_EQ(status_of("/crash"), 502);
  simulation_.run_for(milliseconds(150));
  EXPECT_EQ(status_of("/"), 200);
}

TEST_F(ProxyRunnerTest, Stop_RunningRequestsFinish_ThenTheProgramIsAsked) {
  start();
  RecordingExchange running("GET", "/wait");
  spawn(running);
  simulation_.run_for(milliseconds(100));
  io::TaskScope stopping(gateway_.reactor());
  stopping.spawn(runner_.stop(gateway_.reactor().deadline_after(seconds(30))));
  simulation_.run_for(milliseconds(100));
  EXPECT_EQ(status_of("/"), 503);
  EXPECT_EQ(program_.stops, 0);
  simulation_.run_for(seconds(5));
  EXPECT_EQ(running.received, "hi");
  EXPECT_EQ(program_.stops, 1);
  EXPECT_TRUE(stopping.empty());
}

TEST_F(ProxyRunnerTest, Stop_WhatStillRunsIsCut) {
  program_.obeys_stop = false;
  start();
  RecordingExchange running("GET", "/slow");
  spawn(running);
  simulation_.run_for(milliseconds(100));
  const base::MonotonicTime begin = simulation_.now();
  stop(seconds(5));
  EXPECT_GE(simulation_.now() - begin, seconds(14));  // counted from the last turn of the loop
  EXPECT_LE(simulation_.now() - begin, seconds(16));
  simulation_.run_for(seconds(1));
  EXPECT_EQ(program_.kills, 1);
  EXPECT_EQ(running.status, 502);
}

}  // namespace
}  // namespace selvedge::app
