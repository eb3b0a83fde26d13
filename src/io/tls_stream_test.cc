// Goal: bytes arrive whole and in order, nothing is taken for an end that is none, and no peer can
// keep a handshake or memory. Method: our client and our server over simulated connections, whose
// segments are as small as one byte; connections that damage what passes.

#include "io/tls_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "crypto/certificate.h"
#include "io/task_scope.h"
#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"
#include "io/tls_listener.h"

namespace selvedge::io {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

crypto::CertificatePem make_certificate(const testing::Simulation& simulation,
                                        std::vector<std::string> names) {
  // OpenSSL's clients go by the machine's time, not by the simulated one.
  return crypto::make_self_signed_certificate({.names = std::move(names),
                                               .from = simulation.clock().wall_now(),
                                               .lifetime = 24h * 365 * 100})
      .value();
}

// A connection whose bytes are changed on their way in.
class DamagedStream final : public Stream {
 public:
  DamagedStream(std::unique_ptr<Stream> below, std::size_t position)
      : below_(std::move(below)), position_(position) {}
  using Stream::try_write;
  Attempt try_read(MutableByteSpan buffer) override {
    SELVEDGE_TRY(const auto count, below_->try_read(buffer));
    if (count.has_value() && position_ >= passed_ && position_ < passed_ + *count) {
      buffer[position_ - passed_] ^= std::byte{1};
    }
    passed_ += count.value_or(0);
    return count;
  }
  Attempt try_write(std::span<const ByteSpan> pieces) override { return below_->try_write(pieces); }
  Event& readable() noexcept override { return below_->readable(); }
  Event& writable() noexcept override { return below_->writable(); }
  Result<> shutdown_write() override { return below_->shutdown_write(); }
  void close() noexcept override { below_->close(); }
  void abort() noexcept override { below_->abort(); }
  SocketAddress local_address() const override { return below_->local_address(); }
  SocketAddress peer_address() const override { return below_->peer_address(); }

 private:
  std::unique_ptr<Stream> below_;
  std::size_t position_;
  std::size_t passed_ = 0;
};

class TlsStreamTest : public ::testing::Test {
 protected:
  explicit TlsStreamTest(testing::SimulationOptions options = {}) : simulation_(5, options) {}

  struct Pair {
    std::unique_ptr<Stream> client;
    std::unique_ptr<Stream> server;
  };
  Pair connect() {
    auto listener = host_.network().listen(SocketAddress(IpAddress::loopback_v4(), 0)).value();
    Pair pair;
    pair.client =
        reactor_.run(host_.network().connect(listener->local_address(), Deadline::never())).value();
    pair.server = reactor_.run(listener->accept()).value();
    return pair;
  }
  crypto::TlsContext server_context(std::vector<std::string> protocols = {}) {
    return crypto::TlsContext::server({.choose =
                                           [this](std::string_view name) {
                                             asked_for_ = name;
                                             return name == "other.test"
                                                        ? std::nullopt
                                                        : std::optional(certificate_);
                                           },
                                       .protocols = std::move(protocols)})
        .value();
  }
  crypto::TlsContext client_context(std::string name = "localhost",
                                    std::vector<std::string> protocols = {}) {
    return crypto::TlsContext::client({.server_name = std::move(name),
                                       .authorities_pem = pem_.certificate,
                                       .protocols = std::move(protocols)})
        .value();
  }
  struct TlsPair {
    std::unique_ptr<TlsStream> client;
    std::unique_ptr<TlsStream> server;
  };
  TlsPair wrap(Pair pair, const TlsOptions& options = {}) {
    return {
        .client = TlsStream::create(reactor_, std::move(pair.client), client_context(), options),
        .server = TlsStream::create(reactor_, std::move(pair.server), server_context(), options)};
  }
  // What the two sides' handshakes end with.
  std::pair<Result<>, Result<>> shake_hands(TlsStream& client, TlsStream& server) {
    TaskScope scope(reactor_);
    Result<> of_server = fail(ErrorKind::kInternal, "not ended");
    scope.spawn([](TlsStream& stream, Result<>& result) -> Task<> {
      result = co_await stream.handshake();
      co_return {};
    }(server, of_server));
    auto of_client = reactor_.run(client.handshake());
    EXPECT_TRUE(reactor_.run(scope.close()).has_value());
    return {std::move(of_client), std::move(of_server)};
  }

  testing::Simulation simulation_;
  testing::SimulatedHost& host_ = simulation_.add_host("host", {IpAddress::v4({10, 0, 0, 1})});
  Reactor& reactor_ = host_.reactor();
  crypto::CertificatePem pem_ = make_certificate(simulation_, {"localhost", "127.0.0.1"});
  crypto::Certificate certificate_ =
      crypto::Certificate::from_pem(pem_.certificate, pem_.key).value();
  std::string asked_for_ = "nothing";
};

std::string message_of(const Result<>& result) {
  return result.has_value() ? "no error" : result.error().message();
}

// Sends `size` bytes that depend on their place, then the end.
Task<> send_pattern(Stream& stream, std::size_t size) {
  std::vector<std::byte> piece;
  for (std::size_t sent = 0; sent < size; sent += piece.size()) {
    piece.resize(std::min<std::size_t>(size - sent, 1 + sent % 40'000));
    for (std::size_t i = 0; i < piece.size(); ++i) {
      piece[i] = static_cast<std::byte>((sent + i) * 7 / 5);
    }
    SELVEDGE_CO_TRY_VOID(co_await stream.write_all(piece));
  }
  co_return stream.shutdown_write();
}

Task<> expect_pattern(Stream& stream, std::size_t size) {
  std::vector<std::byte> buffer(5'000);
  std::size_t received = 0;
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await stream.read(buffer));
    if (count == 0) {
      break;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (buffer[i] != static_cast<std::byte>((received + i) * 7 / 5)) {
        co_return fail(ErrorKind::kInternal, "other bytes than were sent");
      }
    }
    received += count;
  }
  co_return received == size ? Result<>() : fail(ErrorKind::kInternal, "not all that was sent");
}

TEST_F(TlsStreamTest, LargeTransfersBothWaysAtOnce_ArriveWhole) {
  constexpr std::size_t kSize = 3'000'000;
  const TlsPair pair = wrap(connect());
  TaskScope scope(reactor_);
  scope.spawn(send_pattern(*pair.server, kSize));
  scope.spawn(send_pattern(*pair.client, kSize));
  scope.spawn(expect_pattern(*pair.server, kSize));
  scope.spawn(expect_pattern(*pair.client, kSize));
  EXPECT_EQ(message_of(reactor_.run(scope.close())), "no error");
  EXPECT_EQ(pair.server->session().version(), "TLSv1.3");
  EXPECT_EQ(asked_for_, "localhost");
  EXPECT_TRUE(pair.server->is_encrypted());
}

TEST_F(TlsStreamTest, AWriterWaits_WhileTheReaderDoesNotRead) {
  const TlsPair pair = wrap(connect());
  ASSERT_TRUE(shake_hands(*pair.client, *pair.server).first.has_value());
  const std::vector<std::byte> bytes(1 << 20);
  const auto written = reactor_.run(pair.server->write_all(bytes, reactor_.deadline_after(1s)));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().kind(), ErrorKind::kTimeout);
}

TEST_F(TlsStreamTest, TheEndIsTold_OrItIsNone) {
  for (const bool told : {true, false}) {
    Pair raw = connect();
    Stream* const connection = raw.server.get();
    const TlsPair pair = wrap(std::move(raw));
    ASSERT_TRUE(shake_hands(*pair.client, *pair.server).first.has_value());
    if (told) {
      pair.server->close();
    } else {
      connection->close();  // what somebody between the two could do
    }
    std::array<std::byte, 10> buffer;
    const auto count = reactor_.run(pair.client->read(buffer));
    EXPECT_EQ(count.has_value(), told);
    if (told) {
      EXPECT_EQ(*count, 0U);
      EXPECT_EQ(reactor_.run(pair.client->read(buffer)).value(), 0U);
    } else {
      EXPECT_EQ(count.error().kind(), ErrorKind::kDisconnected);
    }
  }
}

TEST_F(TlsStreamTest, AfterThePeersEnd_TheConnectionsEndIsNoticed) {
  const TlsPair pair = wrap(connect());
  ASSERT_TRUE(shake_hands(*pair.client, *pair.server).first.has_value());
  ASSERT_TRUE(pair.client->shutdown_write().has_value());
  std::array<std::byte, 10> buffer;
  EXPECT_EQ(reactor_.run(pair.server->read(buffer)).value(), 0U);
  EXPECT_FALSE(pair.server->hung_up());
  EXPECT_TRUE(reactor_.run(pair.server->write_all(base::as_bytes("answer"))).has_value());
  EXPECT_EQ(reactor_.run(pair.client->read(buffer)).value(), 6U);
  pair.client->abort();
  EXPECT_EQ(reactor_.run(pair.server->read(buffer)).value(), 0U);
  EXPECT_TRUE(pair.server->hung_up());
}

TEST_F(TlsStreamTest, AnAbortedStream_HasNoEnd) {
  const TlsPair pair = wrap(connect());
  ASSERT_TRUE(shake_hands(*pair.client, *pair.server).first.has_value());
  pair.server->abort();
  std::array<std::byte, 10> buffer;
  const auto count = reactor_.run(pair.client->read(buffer));
  ASSERT_FALSE(count.has_value());
  EXPECT_EQ(count.error().kind(), ErrorKind::kDisconnected);
}

TEST_F(TlsStreamTest, AClientThatSaysNothing_IsLeftInTime) {
  Pair raw = connect();
  const auto server = TlsStream::create(reactor_, std::move(raw.server), server_context());
  const auto began = reactor_.now();
  const auto done = reactor_.run(server->handshake());
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(reactor_.now() - began >= 10s && reactor_.now() - began < 11s, true);
  std::array<std::byte, 10> buffer;
  EXPECT_EQ(reactor_.run(server->read(buffer)).error().kind(), ErrorKind::kTimeout);
}

TEST_F(TlsStreamTest, APeerThatVanishesInTheHandshake_IsDisconnected) {
  Pair raw = connect();
  const auto server = TlsStream::create(reactor_, std::move(raw.server), server_context());
  raw.client->close();
  EXPECT_EQ(reactor_.run(server->handshake()).error().kind(), ErrorKind::kDisconnected);
}

TEST_F(TlsStreamTest, ADamagedRecord_EndsTheConnectionAndDeliversNothing) {
  // Positions in all that the server receives: the handshake, and the data after it.
  for (const std::size_t position : {0U, 3U, 30U, 200U, 420U, 500U, 600U, 1500U}) {
    Pair raw = connect();
    raw.server = std::make_unique<DamagedStream>(std::move(raw.server), position);
    const TlsPair pair = wrap(std::move(raw), {.handshake_time_max = 1s});
    TaskScope scope(reactor_);
    scope.spawn(send_pattern(*pair.client, 5'000));
    const auto received = reactor_.run(expect_pattern(*pair.server, 5'000));
    EXPECT_FALSE(received.has_value()) << position;
    if (!received.has_value()) {
      EXPECT_THAT(received.error().message(), ::testing::Not(HasSubstr("other bytes"))) << position;
    }
  }
}

TEST_F(TlsStreamTest, Garbage_IsAnsweredWithAnAlert) {
  Pair raw = connect();
  const auto server = TlsStream::create(reactor_, std::move(raw.server), server_context());
  ASSERT_TRUE(reactor_.run(raw.client->write_all(base::as_bytes("\x16\x03\x01\x00\x05hello"sv))));
  EXPECT_EQ(reactor_.run(server->handshake()).error().kind(), ErrorKind::kInvalid);
  std::array<std::byte, 100> buffer;
  ASSERT_GT(reactor_.run(raw.client->read(buffer)).value(), 0U);
  EXPECT_EQ(buffer[0], std::byte{21});  // an alert
}

TEST_F(TlsStreamTest, PlainHttp_GetsTheAnswerForIt) {
  Pair raw = connect();
  const auto server = TlsStream::create(reactor_, std::move(raw.server), server_context(),
                                        {.plain_http_answer = "HTTP/1.1 400 Bad Request\r\n\r\n"});
  ASSERT_TRUE(
      reactor_.run(raw.client->write_all(base::as_bytes("GET / HTTP/1.1\r\nhost: x\r\n\r\n"))));
  EXPECT_FALSE(reactor_.run(server->handshake()).has_value());
  std::array<std::byte, 100> buffer;
  const std::size_t count = reactor_.run(raw.client->read(buffer)).value();
  EXPECT_EQ(base::as_text(ByteSpan(buffer).first(count)), "HTTP/1.1 400 Bad Request\r\n\r\n");
}

TEST_F(TlsStreamTest, ProtocolsAndNames_AreChosen) {
  Pair raw = connect();
  auto client = TlsStream::create(reactor_, std::move(raw.client),
                                  client_context("localhost", {"http/1.1", "h2"}));
  auto server =
      TlsStream::create(reactor_, std::move(raw.server), server_context({"h2", "http/1.1"}));
  ASSERT_TRUE(shake_hands(*client, *server).second.has_value());
  EXPECT_EQ(server->session().protocol(), "h2");
  EXPECT_EQ(client->session().protocol(), "h2");
  EXPECT_EQ(server->session().server_name(), "localhost");
}

TEST_F(TlsStreamTest, WhatDoesNotFit_IsRefusedOnBothSides) {
  struct Case {
    crypto::TlsContext client;
    const char* client_says;
    const char* server_says;
  };
  const std::string wrong_pin(64, 'a');
  const std::vector<Case> cases{
      {client_context("other.test"), "unrecognized name", "TLS: "},
      {client_context("127.0.0.1", {"spdy"}), "no application protocol", "TLS: no application"},
      {client_context("elsewhere.test"), "not trusted: hostname mismatch", "TLS: "},
      {crypto::TlsContext::client({.server_name = "x.test", .public_key_hash = wrong_pin}).value(),
       "certificate is not trusted", "TLS: "},
      {crypto::TlsContext::client(
           {.server_name = "localhost",
            .authorities_pem = make_certificate(simulation_, {"localhost"}).certificate})
           .value(),
       "certificate is not trusted", "TLS: "}};
  for (const Case& each : cases) {
    Pair raw = connect();
    auto client = TlsStream::create(reactor_, std::move(raw.client), each.client);
    auto server = TlsStream::create(reactor_, std::move(raw.server), server_context({"h2"}));
    TaskScope scope(reactor_);
    std::string server_says;
    scope.spawn([](TlsStream& stream, std::string& says) -> Task<> {
      // The client may refuse after the server is content.
      std::array<std::byte, 10> buffer;
      const auto read = co_await stream.read(buffer);
      says = read.has_value() ? "no error" : read.error().message();
      co_return {};
    }(*server, server_says));
    const auto done = reactor_.run(client->handshake());
    EXPECT_THAT(message_of(done), HasSubstr(each.client_says));
    EXPECT_TRUE(reactor_.run(scope.close()).has_value());
    EXPECT_THAT(server_says, StartsWith(each.server_says));
  }
}

TEST_F(TlsStreamTest, AClientThatPinsTheKey_NeedsNoName) {
  Pair raw = connect();
  auto client = TlsStream::create(
      reactor_, std::move(raw.client),
      crypto::TlsContext::client(
          {.server_name = "any.test", .public_key_hash = certificate_.public_key_hash()})
          .value());
  auto server = TlsStream::create(reactor_, std::move(raw.server), server_context());
  EXPECT_EQ(message_of(shake_hands(*client, *server).first), "no error");
}

TEST_F(TlsStreamTest, ATaskThatGaveUpReading_LosesNothing) {
  const TlsPair pair = wrap(connect());
  ASSERT_TRUE(shake_hands(*pair.client, *pair.server).first.has_value());
  std::array<std::byte, 5> buffer;
  EXPECT_EQ(reactor_.run(pair.client->read(buffer, reactor_.deadline_after(1s))).error().kind(),
            ErrorKind::kTimeout);
  ASSERT_TRUE(reactor_.run(pair.server->write_all(base::as_bytes("hello"))));
  ASSERT_TRUE(reactor_.run(pair.client->read_exactly(buffer)));
  EXPECT_EQ(base::as_text(buffer), "hello");
}

// Segments of one byte, and connections that hold next to nothing.
class TlsStreamSlowTest : public TlsStreamTest {
 protected:
  TlsStreamSlowTest()
      : TlsStreamTest({.latency_min = 1us,
                       .latency_max = 5us,
                       .stream_buffer_bytes = 3,
                       .segment_bytes_max = 1}) {}
};

TEST_F(TlsStreamSlowTest, ByteByByte_ArrivesWhole) {
  constexpr std::size_t kSize = 40'000;
  const TlsPair pair = wrap(connect());
  TaskScope scope(reactor_);
  scope.spawn(send_pattern(*pair.client, kSize));
  scope.spawn(send_pattern(*pair.server, kSize));
  scope.spawn(expect_pattern(*pair.server, kSize));
  scope.spawn(expect_pattern(*pair.client, kSize));
  EXPECT_EQ(message_of(reactor_.run(scope.close())), "no error");
}

}  // namespace
}  // namespace selvedge::io
