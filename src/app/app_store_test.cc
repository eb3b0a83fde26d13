#include "app/app_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/system.h"
#include "store/testing/store_world.h"

namespace selvedge::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AppStoreTest : public testing::Test {
 protected:
  // A second node's view of the same store.
  std::unique_ptr<store::Store> other_store() { return world_->open(); }

  VersionNumber deploy(const std::string& app) {
    const auto record = apps_.create_version(app, package_, "kind: wasmer.io/App.v0\n");
    EXPECT_TRUE(record.has_value()) << record.error().message();
    return record.has_value() ? record->number : 0;
  }

  static ActiveRecord only(VersionNumber version) {
    return {.versions = {{.version = version, .weight = 1}}};
  }

  base::SystemClock clock_;
  std::unique_ptr<store::testing::StoreWorld> world_ = store::testing::make_directory_world();
  std::unique_ptr<store::Store> store_ = world_->open();
  AppStore apps_{*store_, clock_};
  crypto::Blake3Hash package_ = crypto::blake3(base::as_bytes("package"));
};

TEST_F(AppStoreTest, VersionsAreNumberedAndImmutable) {
  EXPECT_THAT(apps_.versions("site").value(), IsEmpty());
  EXPECT_EQ(deploy("site"), 1U);
  EXPECT_EQ(deploy("site"), 2U);
  EXPECT_EQ(deploy("site-2"), 1U);
  EXPECT_THAT(apps_.versions("site").value(), ElementsAre(1U, 2U));
  EXPECT_EQ(apps_.version("site", 2)->package, package_);
  EXPECT_EQ(apps_.version("site", 3).error().kind(), ErrorKind::kNotFound);
  EXPECT_THAT(apps_.apps().value(), ElementsAre("site", "site-2"));
}

TEST_F(AppStoreTest, NothingIsActiveUntilActivated) {
  EXPECT_EQ(apps_.active("site").value(), std::nullopt);
  deploy("site");
  EXPECT_EQ(apps_.active("site").value(), std::nullopt);
  ASSERT_TRUE(apps_.activate("site", only(1)).has_value());
  EXPECT_EQ(apps_.active("site").value(), only(1));
  EXPECT_THAT(apps_.activate("site", only(2)).error().message(), HasSubstr("has no version 2"));
  EXPECT_EQ(apps_.active("site").value(), only(1));
}

TEST_F(AppStoreTest, AChoiceMadeOnOldKnowledgeIsRefused) {
  deploy("site");
  deploy("site");
  ASSERT_TRUE(apps_.activate("site", only(1), ActiveRecord()).has_value());
  EXPECT_EQ(apps_.activate("site", only(1), ActiveRecord()).error().kind(), ErrorKind::kConflict);
  ASSERT_TRUE(apps_.activate("site", only(2), only(1)).has_value());
  EXPECT_EQ(apps_.activate("site", only(1), only(1)).error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(apps_.active("site").value(), only(2));
}

TEST_F(AppStoreTest, ChangesReachOtherNodes) {
  const auto other = other_store();
  AppStore there(*other, clock_);
  EXPECT_EQ(there.changes(std::nullopt).value(), std::nullopt);
  deploy("site");
  ASSERT_TRUE(apps_.activate("site", only(1)).has_value());
  const auto first = there.changes(std::nullopt).value();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->record.sequence, 1U);
  EXPECT_EQ(there.changes(first->revision).value(), std::nullopt);
  ASSERT_TRUE(apps_.activate("site", only(1)).has_value());
  EXPECT_THAT(there.changes(first->revision).value()->record.since(1).value(), ElementsAre("site"));
}

TEST_F(AppStoreTest, ADomainHasOneApp) {
  ASSERT_TRUE(apps_.claim_domains("site", {"www.example.com"}).has_value());
  ASSERT_TRUE(apps_.claim_domains("site", {"www.example.com"}).has_value());
  const auto taken = apps_.claim_domains("other", {"www.example.com"});
  EXPECT_EQ(taken.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(taken.error().message(), HasSubstr("www.example.com belongs to the app site"));
  EXPECT_EQ(apps_.app_of_domain("www.example.com").value(), "site");
  EXPECT_EQ(apps_.app_of_domain("example.com").value(), std::nullopt);
}

TEST_F(AppStoreTest, ARemovedAppLeavesNothing) {
  deploy("site");
  deploy("other");
  ASSERT_TRUE(apps_.claim_domains("site", {"a.example.com"}).has_value());
  ASSERT_TRUE(apps_.claim_domains("other", {"b.example.com"}).has_value());
  ASSERT_TRUE(apps_.activate("site", only(1)).has_value());
  ASSERT_TRUE(apps_.remove_app("site").has_value());
  EXPECT_THAT(apps_.apps().value(), ElementsAre("other"));
  EXPECT_EQ(apps_.active("site").value(), std::nullopt);
  EXPECT_EQ(apps_.app_of_domain("a.example.com").value(), std::nullopt);
  EXPECT_EQ(apps_.app_of_domain("b.example.com").value(), "other");
  EXPECT_EQ(apps_.remove_app("site").error().kind(), ErrorKind::kNotFound);
}

TEST_F(AppStoreTest, AnImageIsPublishedAfterItsBlobs) {
  const auto blob = crypto::blake3(base::as_bytes("module"));
  const PackageImage image{.name = "n",
                           .version = "1",
                           .entrypoint = std::nullopt,
                           .modules = {{.name = "m", .blob = {.hash = blob, .bytes = 6}}},
                           .volumes = {},
                           .commands = {{.name = "c",
                                         .module = "m",
                                         .runner = std::nullopt,
                                         .program_name = "c",
                                         .main_args = {},
                                         .environment = {}}}};
  EXPECT_EQ(apps_.put_image(image).error().kind(), ErrorKind::kNotFound);
  ASSERT_TRUE(store_->put_blob(base::as_bytes("module")).has_value());
  const auto published = apps_.put_image(image);
  ASSERT_TRUE(published.has_value()) << published.error().message();
  EXPECT_EQ(*published, identity(image));
  EXPECT_EQ(apps_.image(*published).value(), image);
  EXPECT_EQ(apps_.image(blob).error().kind(), ErrorKind::kInvalid);
}

TEST_F(AppStoreTest, MalformedDocumentsAreNamed) {
  ASSERT_TRUE(store_
                  ->put(store::testing::key("apps/site/active"), base::as_bytes("{}"),
                        store::Precondition::any())
                  .has_value());
  const auto active = apps_.active("site");
  EXPECT_EQ(active.error().kind(), ErrorKind::kInternal);
  EXPECT_THAT(active.error().message(), HasSubstr("apps/site/active is malformed"));
}

}  // namespace
}  // namespace selvedge::app
