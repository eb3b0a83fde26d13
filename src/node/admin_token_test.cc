#include "node/admin_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/system.h"
#include "node/token_store.h"
#include "store/directory_store.h"
#include "store/pause.h"
#include "store/testing/store_world.h"

namespace selvedge::node {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct ManualClock final : base::Clock {
  base::MonotonicTime now() const noexcept override { return {}; }
  base::WallTime wall_now() const noexcept override { return wall; }
  base::WallTime wall{1'800'000'000s};
};

TEST(AdminToken, EveryChange_IsSeenWithoutTheStore) {
  base::SeededRandom random(3);
  const std::string token = make_token(random);
  ASSERT_THAT(token, StartsWith("slv_"));
  EXPECT_EQ(token.size(), 62U);
  const auto hash = hash_token(token);
  ASSERT_TRUE(hash.has_value());
  EXPECT_NE(make_token(random), token);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'x' ? 'y' : 'x';
    const auto refused = hash_token(changed);
    ASSERT_FALSE(refused.has_value()) << i;
    EXPECT_EQ(refused.error().kind(), ErrorKind::kInvalid);
    EXPECT_EQ(refused.error().message().find(changed.substr(4)), std::string::npos);
    EXPECT_FALSE(hash_token(token.substr(0, i)).has_value());
  }
  EXPECT_FALSE(hash_token(token + "a").has_value());
  EXPECT_FALSE(hash_token("slv_" + std::string(58, 'A')).has_value());
  EXPECT_EQ(token.find(token_id(*hash)), std::string::npos);
  EXPECT_TRUE(is_token_id(token_id(*hash)));
}

TEST(AdminToken, ARecord_IsReadBack) {
  base::SeededRandom random(3);
  TokenRecord record{.id = "", .hash = hash_token(make_token(random)).value(), .name = "laptop"};
  record.id = token_id(record.hash);
  record.scope = TokenScope::kDeploy;
  record.apps = {"a", "b"};
  record.owner = "acme";
  record.created = 5;
  record.expires = 7;
  record.revoked = 6;
  EXPECT_EQ(parse_token_record(to_json(record)).value(), record);
  record.id = "0000000000000000";
  EXPECT_FALSE(parse_token_record(to_json(record)).has_value());
}

class TokenStoreTest : public ::testing::Test {
 protected:
  TokenRecord create(TokenStore::Wanted wanted) {
    return tokens_.create(std::move(wanted))->record;
  }
  std::string refusal(TokenStore::Wanted wanted) {
    const auto made = tokens_.create(std::move(wanted));
    return made.has_value() ? "no error" : made.error().message();
  }

  store::testing::TemporaryFolder folder_;
  base::SeededRandom random_{9};
  store::ThreadPause pause_;
  ManualClock clock_;
  std::unique_ptr<store::DirectoryStore> store_ =
      store::DirectoryStore::open({.root = folder_.path(), .random = random_, .pause = pause_})
          .value();
  TokenStore tokens_{*store_, random_, clock_};
};

TEST_F(TokenStoreTest, WhatWasMade_IsFoundByItsHashOnly) {
  const auto made = tokens_.create({.name = "ci", .scope = TokenScope::kDeploy, .apps = {"site"}});
  ASSERT_TRUE(made.has_value());
  const auto found = tokens_.find(token_id(hash_token(made->token).value())).value();
  EXPECT_EQ(found, made->record);
  EXPECT_EQ(tokens_.find("0123456789abcdef").value(), std::nullopt);
  // Nothing in the store is the token.
  const auto object = store_->get(store::testing::key("tokens/" + made->record.id), 1 << 16);
  EXPECT_EQ(store::testing::text_of(*object).find(made->token.substr(4)), std::string::npos);
}

TEST_F(TokenStoreTest, Revoked_StaysRevokedWhateverTheClockSays) {
  const TokenRecord record = create({.lifetime = 24h});
  EXPECT_TRUE(check_token(record, clock_.wall).has_value());
  ASSERT_TRUE(tokens_.revoke(record.id).has_value());
  for (const auto step : {0h, -10'000h, 10'000h}) {
    const auto checked = check_token(*tokens_.find(record.id).value(), clock_.wall + step);
    ASSERT_FALSE(checked.has_value());
    EXPECT_EQ(checked.error().kind(), ErrorKind::kDenied);
    EXPECT_THAT(checked.error().message(), HasSubstr("was revoked"));
  }
  EXPECT_TRUE(tokens_.revoke(record.id).has_value());
  EXPECT_EQ(tokens_.revoke("0123456789abcdef").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(tokens_.revoke("../x").error().kind(), ErrorKind::kNotFound);
}

TEST_F(TokenStoreTest, Expired_IsSaidAtTheSecond) {
  const TokenRecord record = create({.lifetime = 30s});
  EXPECT_TRUE(check_token(record, clock_.wall + 29s).has_value());
  EXPECT_THAT(check_token(record, clock_.wall + 30s).error().message(), HasSubstr("has expired"));
}

TEST_F(TokenStoreTest, WhatCannotBe_IsOneSentence) {
  EXPECT_THAT(refusal({.apps = {"No Name"}}), HasSubstr("\"No Name\" is not the name of an app"));
  EXPECT_THAT(refusal({.owner = "A/B"}), HasSubstr("\"A/B\" is not an owner"));
  EXPECT_THAT(refusal({.name = "a\nb"}), HasSubstr("name of a token"));
  EXPECT_THAT(refusal({.scope = TokenScope::kAdmin, .apps = {"a"}}), HasSubstr("scope admin"));
  EXPECT_THAT(refusal({.apps = std::vector<std::string>(101, "a")}), HasSubstr("at most 100 apps"));
  EXPECT_EQ(tokens_.list()->size(), 0U);
}

TEST_F(TokenStoreTest, TheOldestEnded_MakeRoom) {
  for (std::size_t i = 0; i < TokenStore::kTokensMax; ++i) {
    ASSERT_TRUE(tokens_.create({}).has_value());
  }
  EXPECT_THAT(refusal({}), HasSubstr("1000 tokens already"));
  const std::string ended = tokens_.list()->at(500).id;
  ASSERT_TRUE(tokens_.revoke(ended).has_value());
  EXPECT_EQ(refusal({}), "no error");
  EXPECT_EQ(tokens_.find(ended).value(), std::nullopt);
}

}  // namespace
}  // namespace selvedge::node
