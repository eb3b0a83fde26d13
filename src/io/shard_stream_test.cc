#include "io/shard_stream.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/system.h"
#include "io/shard.h"
#include "io/task_scope.h"
#include "io/testing/simulation.h"

namespace selvedge::io {
namespace {

Task<std::string> read_to_end(Stream& stream) {
  std::string text;
  std::vector<std::byte> buffer(1000);
  for (;;) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await stream.read(buffer));
    if (count == 0) {
      co_return text;
    }
    text += base::as_text(ByteSpan(buffer).first(count));
  }
}

Task<> write_and_end(Stream& stream, std::string text) {
  SELVEDGE_CO_TRY_VOID(co_await stream.write_all(base::as_bytes(text)));
  co_return stream.shutdown_write();
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>('a' + i * 7 % 26);
  }
  return text;
}

class ShardStreamTest : public ::testing::Test {
 protected:
  testing::Simulation simulation_{1};
  testing::SimulatedHost& here_ = simulation_.add_host("here", {});
  testing::SimulatedHost& there_ = simulation_.add_host("there", {});
  TaskScope scope_{there_.reactor()};
  ShardStreamPair pair_ = make_shard_stream_pair(here_.reactor(), there_.reactor());
};

TEST_F(ShardStreamTest, CarriesMoreThanItsBufferInOrder) {
  const std::string sent = pattern(3 * kShardStreamBytes + 17);
  scope_.spawn(write_and_end(*pair_.second, sent));
  const auto received = here_.reactor().run(read_to_end(*pair_.first));
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(*received, sent);
  // The other direction still goes.
  scope_.spawn([](Stream& stream) -> Task<> {
    SELVEDGE_CO_TRY(const std::string text, co_await read_to_end(stream));
    EXPECT_EQ(text, "answer");
    co_return {};
  }(*pair_.second));
  ASSERT_TRUE(here_.reactor().run(write_and_end(*pair_.first, "answer")).has_value());
  ASSERT_TRUE(there_.reactor().run(scope_.close()).has_value());
}

TEST_F(ShardStreamTest, AFullBufferStopsTheWriter) {
  const std::string much = pattern(kShardStreamBytes + 1);
  EXPECT_EQ(pair_.first->try_write(base::as_bytes(much)).value(), kShardStreamBytes);
  EXPECT_EQ(pair_.first->try_write(base::as_bytes(much)).value(), std::nullopt);
  EXPECT_FALSE(pair_.first->writable().is_set());
}

TEST_F(ShardStreamTest, CloseDeliversAndAbortDoesNot) {
  ASSERT_TRUE(pair_.first->try_write(base::as_bytes("last words")).has_value());
  pair_.first->close();
  EXPECT_EQ(pair_.first->try_write(base::as_bytes("x")).error().kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(there_.reactor().run(read_to_end(*pair_.second)).value(), "last words");
  EXPECT_EQ(pair_.second->try_write(base::as_bytes("x")).error().kind(), ErrorKind::kDisconnected);

  auto broken = make_shard_stream_pair(here_.reactor(), there_.reactor());
  ASSERT_TRUE(broken.first->try_write(base::as_bytes("half")).has_value());
  broken.first->abort();
  EXPECT_EQ(there_.reactor().run(read_to_end(*broken.second)).error().kind(),
            ErrorKind::kDisconnected);
}

TEST_F(ShardStreamTest, AnEndThatIsDestroyedWakesTheOther) {
  scope_.spawn([](std::unique_ptr<Stream> stream, Reactor& reactor) -> Task<> {
    co_await reactor.sleep(std::chrono::seconds(1));
    stream.reset();
    co_return {};
  }(std::move(pair_.second), there_.reactor()));
  EXPECT_EQ(here_.reactor().run(read_to_end(*pair_.first)).value(), "");
}

// For the thread sanitizer.
TEST(ShardStreamThreads, EchoesBetweenTwoShards) {
  const base::SystemClock clock;
  const auto group = ShardGroup::create(clock, {.shards = 2});
  ASSERT_TRUE(group.has_value());
  auto pair = make_shard_stream_pair((*group)->shard(0).reactor(), (*group)->shard(1).reactor());
  const std::string sent = pattern(40 * kShardStreamBytes);
  std::string received;
  (*group)->start([&](this auto /*self*/, Shard& shard) -> Task<> {
    if (shard.id().value() == 0) {
      const auto stream = std::move(pair.first);
      TaskScope writer(shard.reactor());
      writer.spawn(write_and_end(*stream, sent));
      SELVEDGE_CO_TRY(received, co_await read_to_end(*stream));
      co_return co_await writer.close();
    }
    const auto stream = std::move(pair.second);
    std::vector<std::byte> buffer(5000);
    for (;;) {
      SELVEDGE_CO_TRY(const std::size_t count, co_await stream->read(buffer));
      if (count == 0) {
        co_return stream->shutdown_write();
      }
      SELVEDGE_CO_TRY_VOID(co_await stream->write_all(ByteSpan(buffer).first(count)));
    }
  });
  ASSERT_TRUE((*group)->join().has_value());
  EXPECT_EQ(received, sent);
}

}  // namespace
}  // namespace selvedge::io
