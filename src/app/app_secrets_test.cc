#include "app/app_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/bytes.h"
#include "base/system.h"
#include "store/testing/store_world.h"

namespace selvedge::app {
namespace {

using store::testing::key;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class AppSecretsTest : public testing::Test {
 protected:
  static crypto::SecretKey cluster(std::uint8_t fill) {
    std::array<std::byte, crypto::SecretKey::kSize> bytes{};
    bytes.fill(std::byte{fill});
    return crypto::SecretKey(bytes);
  }

  base::SystemRandom random_;
  std::unique_ptr<store::testing::StoreWorld> world_ = store::testing::make_directory_world();
  std::unique_ptr<store::Store> store_ = world_->open();
  AppSecrets secrets_{*store_, random_, cluster(1)};
};

TEST_F(AppSecretsTest, WhatIsSet_IsHadAndReplacedByName) {
  EXPECT_THAT(secrets_.get("site")->environment, IsEmpty());
  EXPECT_EQ(secrets_.get("site")->revision, "");
  ASSERT_TRUE(secrets_.set("site", {{"B", "two"}, {"A", "one"}}).has_value());
  EXPECT_EQ(secrets_.get("site")->environment, (Environment{{"A", "one"}, {"B", "two"}}));
  ASSERT_TRUE(secrets_.set("site", {{"B", "three\nlines\n"}, {"C", ""}}).has_value());
  EXPECT_EQ(secrets_.get("site")->environment,
            (Environment{{"A", "one"}, {"B", "three\nlines\n"}, {"C", ""}}));
  EXPECT_THAT(secrets_.get("other")->environment, IsEmpty());
}

TEST_F(AppSecretsTest, EveryChange_HasARevisionOfItsOwn) {
  ASSERT_TRUE(secrets_.set("site", {{"A", "one"}}).has_value());
  const std::string first = secrets_.get("site")->revision;
  ASSERT_TRUE(secrets_.set("site", {{"A", "one"}}).has_value());
  EXPECT_NE(secrets_.get("site")->revision, first);
}

TEST_F(AppSecretsTest, Removed_AreGone) {
  ASSERT_TRUE(secrets_.set("site", {{"A", "one"}, {"B", "two"}}).has_value());
  ASSERT_TRUE(secrets_.remove("site", "A").has_value());
  EXPECT_EQ(secrets_.get("site")->environment, (Environment{{"B", "two"}}));
  EXPECT_EQ(secrets_.remove("site", "A").error().kind(), ErrorKind::kNotFound);
  ASSERT_TRUE(secrets_.remove_all("site").has_value());
  EXPECT_EQ(secrets_.get("site")->revision, "");
  EXPECT_TRUE(secrets_.remove_all("site").has_value());
}

TEST_F(AppSecretsTest, TheStore_HoldsNeitherNamesNorValues) {
  ASSERT_TRUE(secrets_.set("site", {{"VARIABLE", "confidential"}}).has_value());
  const auto object = store_->get(key("secrets/site/sealed"), 1000);
  ASSERT_TRUE(object.has_value());
  EXPECT_THAT(std::string(base::as_text(object->bytes)),
              Not(testing::AnyOf(HasSubstr("confidential"), HasSubstr("VARIABLE"))));
}

TEST_F(AppSecretsTest, AnotherClustersSecret_OpensNothing) {
  ASSERT_TRUE(secrets_.set("site", {{"A", "confidential"}}).has_value());
  AppSecrets other(*store_, random_, cluster(2));
  EXPECT_EQ(other.get("site").error().kind(), ErrorKind::kDenied);
  EXPECT_EQ(other.set("site", {{"A", "x"}}).error().kind(), ErrorKind::kDenied);
  EXPECT_EQ(secrets_.get("site")->environment, (Environment{{"A", "confidential"}}));
}

TEST_F(AppSecretsTest, WithoutAClusterSecret_OnlyAppsThatHaveNoneGoOn) {
  ASSERT_TRUE(secrets_.set("site", {{"A", "one"}}).has_value());
  AppSecrets none(*store_, random_, std::nullopt);
  EXPECT_THAT(none.get("other")->environment, IsEmpty());
  EXPECT_THAT(none.get("site").error().message(), HasSubstr("selvedge cluster init"));
  EXPECT_EQ(none.set("other", {{"A", "one"}}).error().kind(), ErrorKind::kDenied);
}

// Whoever can write the store may move documents about.
TEST_F(AppSecretsTest, SealedBytesOfAnotherApp_DoNotOpen) {
  ASSERT_TRUE(secrets_.set("site", {{"A", "one"}}).has_value());
  const auto object = store_->get(key("secrets/site/sealed"), 1000);
  ASSERT_TRUE(store_->put(key("secrets/thief/sealed"), object->bytes, store::Precondition::any()));
  EXPECT_EQ(secrets_.get("thief").error().kind(), ErrorKind::kDenied);
}

TEST_F(AppSecretsTest, WhatNoVariableCanHold_IsRefusedWithoutItsValue) {
  for (const char* const name : {"", "1A", "A-B", "A=B", "A B", "Ä"}) {
    EXPECT_EQ(secrets_.set("site", {{name, "confidential"}}).error().kind(), ErrorKind::kInvalid)
        << name;
  }
  for (const std::string& value :
       {std::string("confidential\0", 13), std::string("confidential\xff"),
        "confidential" + std::string(kSecretValueBytesMax, 'x')}) {
    const auto refused = secrets_.set("site", {{"A", value}});
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message(), Not(HasSubstr("confidential")));
  }
  Environment many;
  for (std::size_t i = 0; i <= kSecretsMax; ++i) {
    many.emplace_back("A" + std::to_string(i), "x");
  }
  EXPECT_EQ(secrets_.set("site", many).error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(secrets_.get("site")->revision, "");
}

}  // namespace
}  // namespace selvedge::app
