#include "store/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "base/system.h"
#include "store/testing/s3_server.h"
#include "store/testing/scripted_server.h"

// Goal: what goes wrong between a node and its S3 server is tried again where that is right, told
// apart where it matters, and named. Method: a real server, and one in front of it that fails as it
// is told to; the document's own conformance is in store_conformance_test.cc.

namespace selvedge::store {
namespace {

using base::as_bytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::key;
using ::testing::Not;
using testing::S3Server;
using testing::ScriptedServer;
using testing::text_of;

constexpr std::string_view kSlowDown = "<Error><Code>SlowDown</Code></Error>";

// Waits for nothing, and lets a test do something instead.
class HookedPause final : public Pause {
 public:
  bool wait(base::Duration duration) override {
    if (duration > base::Duration::zero()) {
      waits.push_back(duration);
      if (hook) {
        hook();
      }
    }
    return !ending;
  }
  std::vector<base::Duration> waits;
  std::function<void()> hook;
  bool ending = false;
};

class S3StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = S3Server::start();
    if (server_ == nullptr) {
      GTEST_SKIP() << "there is no S3 server here: SELVEDGE_S3_SERVER";
    }
    bucket_ = server_->make_bucket();
    direct_ = open(server_->endpoint());
  }
  // A proxy before the server.
  std::unique_ptr<S3Store> open_through(std::vector<ScriptedServer::Step> steps) {
    proxy_.emplace(std::move(steps), server_->port());
    return open(proxy_->endpoint());
  }
  S3StoreOptions options(std::string endpoint) {
    return {.endpoint = std::move(endpoint),
            .bucket = bucket_,
            .credentials = S3Server::credentials(),
            .attempts_max = 4,
            .clock = clock_,
            .random = random_,
            .pause = pause_,
            .registry = nullptr};
  }
  std::unique_ptr<S3Store> open(std::string endpoint) {
    auto store = S3Store::create(options(std::move(endpoint)));
    EXPECT_TRUE(store.has_value()) << store.error().message();
    return store ? *std::move(store) : nullptr;
  }
  std::string get(std::string_view name) {
    const auto object = direct_->get(key(name), 1000);
    return object ? text_of(*object) : object.error().message();
  }

  base::SystemClock clock_;
  base::SeededRandom random_{7};
  HookedPause pause_;
  std::unique_ptr<S3Server> server_;
  std::string bucket_;
  std::unique_ptr<S3Store> direct_;
  std::optional<ScriptedServer> proxy_;
};

ErrorKind kind_of(const auto& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorKind::kInternal : result.error().kind();
}

TEST_F(S3StoreTest, ServerThatShedsLoad_IsAskedAgainAfterGrowingDelays) {
  const auto store =
      open_through({ScriptedServer::answer(503, kSlowDown), ScriptedServer::answer(500, ""),
                    ScriptedServer::answer(429, "")});
  ASSERT_TRUE(store->put(key("a"), as_bytes("1"), Precondition::any()).has_value());
  EXPECT_EQ(get("a"), "1");
  ASSERT_EQ(pause_.waits.size(), 3U);
  EXPECT_LE(pause_.waits[0], std::chrono::milliseconds(100));
  EXPECT_LE(pause_.waits[1], std::chrono::milliseconds(200));
  EXPECT_LE(pause_.waits[2], std::chrono::milliseconds(400));
  EXPECT_NE(pause_.waits[0], pause_.waits[1]);
}

TEST_F(S3StoreTest, ServerThatKeepsFailing_IsOverloadedAndNamed) {
  const auto store = open_through(std::vector(10, ScriptedServer::answer(503, kSlowDown)));
  const auto read = store->get(key("apps/a"), 100);
  EXPECT_EQ(kind_of(read), ErrorKind::kOverloaded);
  EXPECT_THAT(read.error().message(),
              AllOf(HasSubstr(bucket_), HasSubstr("apps/a"), HasSubstr("503 SlowDown")));
  EXPECT_EQ(proxy_->requests().size(), 4U);
  // A server that sheds load has changed nothing.
  const auto written = store->put(key("apps/a"), as_bytes("1"), Precondition::absent());
  EXPECT_EQ(kind_of(written), ErrorKind::kOverloaded);
}

TEST_F(S3StoreTest, WriteThatKeepsFailingWithDoubt_SaysThatItIsNotKnown) {
  const auto store = open_through(std::vector(10, ScriptedServer::answer(500, "")));
  const auto written = store->put(key("apps/a"), as_bytes("1"), Precondition::absent());
  EXPECT_EQ(kind_of(written), ErrorKind::kDisconnected);
  EXPECT_THAT(written.error().message(), HasSubstr("not known"));
}

TEST_F(S3StoreTest, ServerThatIsDown_IsDisconnectedUntilItIsBack) {
  ASSERT_TRUE(direct_->put(key("a"), as_bytes("1"), Precondition::any()).has_value());
  server_->stop();
  EXPECT_EQ(kind_of(direct_->get(key("a"), 10)), ErrorKind::kDisconnected);
  EXPECT_EQ(pause_.waits.size(), 3U);
  // It comes back while somebody waits for the next try.
  pause_.hook = [this] {
    pause_.hook = nullptr;
    server_->start_again();
  };
  EXPECT_EQ(get("a"), "1");
}

TEST_F(S3StoreTest, LostAnswerOfAConditionalWrite_IsFoundOutAndIsSuccess) {
  for (const Precondition& precondition : {Precondition::absent(), Precondition::any()}) {
    const auto store = open_through({ScriptedServer::forward(ScriptedServer::kNoAnswer)});
    const auto revision = store->put(key("a"), as_bytes("1"), precondition);
    ASSERT_TRUE(revision.has_value()) << revision.error().message();
    EXPECT_EQ(direct_->get(key("a"), 10)->revision, *revision);
    const auto next = open_through({ScriptedServer::forward(ScriptedServer::kNoAnswer)})
                          ->put(key("a"), as_bytes("2"), Precondition::matches(*revision));
    ASSERT_TRUE(next.has_value()) << next.error().message();
    EXPECT_EQ(direct_->get(key("a"), 10)->revision, *next);
  }
}

TEST_F(S3StoreTest, LostAnswerAndAnotherWriter_IsNeitherSuccessNorConflict) {
  const auto store = open_through({ScriptedServer::forward(ScriptedServer::kNoAnswer)});
  pause_.hook = [this] {
    pause_.hook = nullptr;
    ASSERT_TRUE(direct_->put(key("a"), as_bytes("other"), Precondition::any()).has_value());
  };
  EXPECT_EQ(kind_of(store->put(key("a"), as_bytes("1"), Precondition::absent())),
            ErrorKind::kDisconnected);
  EXPECT_EQ(get("a"), "other");
}

TEST_F(S3StoreTest, ConflictAfterAnAnswerThatChangedNothing_IsAConflict) {
  ASSERT_TRUE(direct_->put(key("a"), as_bytes("1"), Precondition::any()).has_value());
  const auto store = open_through({ScriptedServer::answer(503, kSlowDown)});
  EXPECT_EQ(kind_of(store->put(key("a"), as_bytes("2"), Precondition::absent())),
            ErrorKind::kConflict);
  EXPECT_EQ(get("a"), "1");
}

TEST_F(S3StoreTest, LostAnswerOfAConditionalRemoval_IsNotCalledSuccess) {
  const auto revision = direct_->put(key("a"), as_bytes("1"), Precondition::any());
  ASSERT_TRUE(revision.has_value());
  // The first request asks whether it is there.
  const auto store =
      open_through({ScriptedServer::forward(), ScriptedServer::forward(ScriptedServer::kNoAnswer)});
  EXPECT_EQ(kind_of(store->remove(key("a"), Precondition::matches(*revision))),
            ErrorKind::kDisconnected);
}

TEST_F(S3StoreTest, AnswerThatIsCut_IsAskedForAgain) {
  ASSERT_TRUE(direct_->put(key("a"), as_bytes("content"), Precondition::any()).has_value());
  const auto store = open_through({ScriptedServer::forward(3), ScriptedServer::close()});
  const auto object = store->get(key("a"), 100);
  ASSERT_TRUE(object.has_value()) << object.error().message();
  EXPECT_EQ(text_of(*object), "content");
}

TEST_F(S3StoreTest, BlobThatIsCut_GoesOnWhereItStopped) {
  std::string text(3'000'000, 'x');
  text.replace(1'500'000, 6, "middle");
  const auto hash = direct_->put_blob(as_bytes(text));
  ASSERT_TRUE(hash.has_value());
  const auto store =
      open_through({ScriptedServer::forward(1'000'000), ScriptedServer::forward(500'000)});
  const auto bytes = store->get_blob(*hash, text.size());
  ASSERT_TRUE(bytes.has_value()) << bytes.error().message();
  EXPECT_TRUE(base::as_text(*bytes) == text);
  const auto requests = proxy_->requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_THAT(requests[1], HasSubstr("range: bytes=1000000-\r\n"));
  EXPECT_THAT(requests[2], HasSubstr("range: bytes=1500000-\r\n"));
}

TEST_F(S3StoreTest, UploadWhosePartFails_IsGivenUpAndLeavesNoBlob) {
  const std::string text(S3Store::kPartBytes + 1, 'p');
  // Is it there? Begin; first part; second part.
  const auto store =
      open_through({ScriptedServer::forward(), ScriptedServer::forward(), ScriptedServer::forward(),
                    ScriptedServer::answer(403, "<Error><Code>AccessDenied</Code></Error>")});
  EXPECT_EQ(kind_of(store->put_blob(as_bytes(text))), ErrorKind::kDenied);
  const auto requests = proxy_->requests();
  ASSERT_EQ(requests.size(), 5U);
  EXPECT_THAT(requests[3], HasSubstr("partNumber=2"));
  EXPECT_THAT(requests[4], AllOf(::testing::StartsWith("DELETE "), HasSubstr("uploadId=")));
  EXPECT_FALSE(*direct_->has_blob(crypto::blake3(as_bytes(text))));
}

TEST_F(S3StoreTest, UploadOfAProcessThatDied_IsRemovedByItsAge) {
  const std::string text(S3Store::kPartBytes + 1, 'p');
  const ScriptedServer::Step denied =
      ScriptedServer::answer(403, "<Error><Code>AccessDenied</Code></Error>");
  // Is it there? Begin; first part; second part; giving it up.
  const auto store = open_through({ScriptedServer::forward(), ScriptedServer::forward(),
                                   ScriptedServer::forward(), denied, denied});
  EXPECT_FALSE(store->put_blob(as_bytes(text)).has_value());
  EXPECT_EQ(direct_->remove_unfinished(1'600'000'000).value(), 0U);
  EXPECT_EQ(direct_->remove_unfinished(std::int64_t{1} << 40).value(), 1U);
  EXPECT_EQ(direct_->remove_unfinished(std::int64_t{1} << 40).value(), 0U);
}

TEST_F(S3StoreTest, UploadWhoseEndIsRefusedInASuccessfulAnswer_IsAnError) {
  const std::string text(S3Store::kPartBytes + 1, 'p');
  const auto store =
      open_through({ScriptedServer::forward(), ScriptedServer::forward(), ScriptedServer::forward(),
                    ScriptedServer::forward(),
                    ScriptedServer::answer(200, "<Error><Code>InternalError</Code></Error>")});
  const auto written = store->put_blob(as_bytes(text));
  ASSERT_FALSE(written.has_value());
  EXPECT_THAT(written.error().message(), HasSubstr("InternalError"));
  EXPECT_FALSE(*direct_->has_blob(crypto::blake3(as_bytes(text))));
}

TEST_F(S3StoreTest, UploadWhoseLastAnswerIsLost_IsFoundOut) {
  const std::string text(S3Store::kPartBytes + 1, 'p');
  const auto store =
      open_through({ScriptedServer::forward(), ScriptedServer::forward(), ScriptedServer::forward(),
                    ScriptedServer::forward(), ScriptedServer::forward(ScriptedServer::kNoAnswer)});
  const auto written = store->put_blob(as_bytes(text));
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_TRUE(direct_->get_blob(*written, text.size()).has_value());
}

TEST_F(S3StoreTest, WrongSecret_IsDeniedAndNotTold) {
  S3StoreOptions wrong = options(server_->endpoint());
  wrong.credentials.secret_key = "wrong-secret";
  const auto store = S3Store::create(wrong);
  const auto read = (*store)->get(key("a"), 10);
  EXPECT_EQ(kind_of(read), ErrorKind::kDenied);
  EXPECT_THAT(read.error().message(),
              AllOf(HasSubstr("SignatureDoesNotMatch"), Not(HasSubstr("wrong-secret"))));
  EXPECT_TRUE(pause_.waits.empty());
}

TEST_F(S3StoreTest, BucketThatIsMissing_IsNoMissingDocument) {
  S3StoreOptions wrong = options(server_->endpoint());
  wrong.bucket = "no-such-bucket";
  const auto store = S3Store::create(wrong);
  const auto read = (*store)->get(key("a"), 10);
  EXPECT_EQ(kind_of(read), ErrorKind::kInternal);
  EXPECT_THAT(read.error().message(), HasSubstr("create the bucket"));
}

TEST_F(S3StoreTest, CheckServer_AcceptsTheRealOneAndLeavesNothing) {
  const auto checked = direct_->check_server();
  EXPECT_TRUE(checked.has_value()) << checked.error().message();
  EXPECT_TRUE(direct_->list({.folder = key("checks")})->entries.empty());
}

TEST_F(S3StoreTest, CheckServer_RefusesOneThatIgnoresConditions) {
  // Every write succeeds.
  const auto store = open_through({ScriptedServer::answer(200, "", "ETag: \"1\"\r\n"),
                                   ScriptedServer::answer(200, "", "ETag: \"2\"\r\n"),
                                   ScriptedServer::answer(200, "", "ETag: \"3\"\r\n"),
                                   ScriptedServer::answer(200, "", "ETag: \"4\"\r\n"),
                                   ScriptedServer::answer(204, "")});
  const auto checked = store->check_server();
  EXPECT_EQ(kind_of(checked), ErrorKind::kUnsupported);
  EXPECT_THAT(checked.error().message(), HasSubstr("If-None-Match"));
}

TEST_F(S3StoreTest, SilentServer_IsATimeout) {
  S3StoreOptions impatient = options("");
  proxy_.emplace(std::vector{ScriptedServer::hang()});
  impatient.endpoint = proxy_->endpoint();
  impatient.stall_time_max = std::chrono::seconds(1);
  impatient.attempts_max = 1;
  EXPECT_EQ(kind_of((*S3Store::create(impatient))->get(key("a"), 10)), ErrorKind::kTimeout);
}

TEST_F(S3StoreTest, ProcessThatEnds_WaitsForNoServer) {
  const auto store = open_through({ScriptedServer::hang()});
  pause_.ending = true;
  EXPECT_EQ(kind_of(store->get(key("a"), 10)), ErrorKind::kDisconnected);
}

TEST_F(S3StoreTest, CertificateThatNobodyVouchesFor_IsDenied) {
  const auto server = S3Server::start_tls();
  ASSERT_NE(server, nullptr);
  S3StoreOptions given = options(server->endpoint());
  given.bucket = server->make_bucket();
  const auto refused = (*S3Store::create(given))->get(key("a"), 10);
  EXPECT_EQ(kind_of(refused), ErrorKind::kDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("certificate"));
  given.ca_file = server->certificate().native();
  const auto written =
      (*S3Store::create(given))->put(key("a"), as_bytes("1"), Precondition::absent());
  EXPECT_TRUE(written.has_value()) << written.error().message();
}

TEST_F(S3StoreTest, OptionsThatCannotWork_AreRefused) {
  const auto refused = [this](const std::function<void(S3StoreOptions&)>& spoil) {
    S3StoreOptions given = options("https://s3.example.com");
    spoil(given);
    return kind_of(S3Store::create(given)) == ErrorKind::kInvalid;
  };
  EXPECT_TRUE(refused([](S3StoreOptions& given) { given.endpoint = "s3.example.com"; }));
  EXPECT_TRUE(refused([](S3StoreOptions& given) { given.endpoint = "ftp://s3.example.com"; }));
  EXPECT_TRUE(refused([](S3StoreOptions& given) { given.endpoint = "https://a/b"; }));
  EXPECT_TRUE(refused([](S3StoreOptions& given) { given.endpoint = "https://u@h\r\n"; }));
  EXPECT_TRUE(refused([](S3StoreOptions& given) { given.bucket = "Upper"; }));
  EXPECT_TRUE(refused([](S3StoreOptions& given) { given.bucket = "a/b/c"; }));
  EXPECT_TRUE(refused([](S3StoreOptions& given) { given.credentials.access_key = "a\r\nb"; }));
  EXPECT_TRUE(refused([](S3StoreOptions& given) { given.credentials.secret_key = ""; }));
}

}  // namespace
}  // namespace selvedge::store
