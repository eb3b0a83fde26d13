#include "app/store_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/app_store.h"
#include "app/package_records.h"
#include "base/bytes.h"
#include "store/testing/memory_store.h"

// Goal: a collection removes what nothing needs, that and nothing else, and says so.

namespace selvedge::app {
namespace {

using store::Key;
using store::Precondition;
using testing::ElementsAre;
using testing::HasSubstr;

class StoreClock final : public base::Clock {
 public:
  explicit StoreClock(const store::testing::MemoryStore& store) noexcept : store_(store) {}
  base::MonotonicTime now() const noexcept override {
    return base::MonotonicTime(std::chrono::seconds(store_.time()));
  }
  base::WallTime wall_now() const noexcept override {
    return base::WallTime(std::chrono::seconds(store_.time()));
  }

 private:
  const store::testing::MemoryStore& store_;
};

class StoreCollectorTest : public testing::Test {
 protected:
  // A package of one module; its blobs as a deploy sends them.
  PackageImage send(std::string_view content) {
    const auto hash = crypto::blake3(base::as_bytes(content));
    EXPECT_TRUE(use_blobs(store_, nullptr, {hash}).has_value());
    EXPECT_TRUE(store_.put_blob(base::as_bytes(content)).has_value());
    PackageImage image{.name = "p",
                       .version = "1",
                       .entrypoint = {},
                       .modules = {},
                       .volumes = {},
                       .commands = {}};
    image.modules.push_back({.name = "m", .blob = {.hash = hash, .bytes = content.size()}});
    image.commands.push_back({.name = "c",
                              .module = "m",
                              .runner = {},
                              .program_name = "c",
                              .main_args = {},
                              .environment = {}});
    return image;
  }
  VersionNumber deploy(const std::string& app, std::string_view content, bool activate = true) {
    const auto package = apps_.put_image(send(content));
    EXPECT_TRUE(package.has_value()) << package.error().message();
    const auto record = apps_.create_version(app, *package, "config");
    EXPECT_TRUE(record.has_value()) << record.error().message();
    if (activate) {
      EXPECT_TRUE(apps_.activate(app, only(record->number)).has_value());
    }
    return record->number;
  }
  static ActiveRecord only(VersionNumber number) {
    return {.versions = {{.version = number, .weight = 1}}};
  }
  static std::string published(const crypto::Blake3Hash& image, const crypto::Blake3Hash& linked) {
    return to_json(PublishedPackage{.name = "owner/name",
                                    .version = "1.0.0",
                                    .image = image,
                                    .linked = linked,
                                    .dependencies = {},
                                    .sha256 = {},
                                    .signature = {}});
  }
  bool has(std::string_view content) {
    return store_.has_blob(crypto::blake3(base::as_bytes(content))).value();
  }
  void pass(std::chrono::seconds time) { store_.set_time(store_.time() + time.count()); }
  void put(std::string_view key, std::string_view text) {
    ASSERT_TRUE(
        store_.put(*Key::parse(key), base::as_bytes(text), Precondition::any()).has_value());
  }
  CollectionReport collect(bool dry_run = false) {
    auto report = collector_.collect(dry_run);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report.has_value() ? *report : CollectionReport();
  }
  std::string refusal() {
    const auto report = collector_.collect(false);
    EXPECT_FALSE(report.has_value());
    return report.has_value() ? "" : report.error().message();
  }

  store::testing::MemoryStore store_;
  StoreClock clock_{store_};
  AppStore apps_{store_, clock_};
  StoreCollector collector_{
      {.store = store_, .clock = clock_, .holder = "a-2", .node = "a", .versions_kept = 3}};
};

TEST_F(StoreCollectorTest, WhatNoVersionNeeds_GoesADayAfterItsLastDeploy) {
  deploy("site", "one");
  deploy("gone", "two");
  ASSERT_TRUE(apps_.remove_app("gone").has_value());
  EXPECT_EQ(collect().blobs, 0U);
  EXPECT_TRUE(has("two"));
  EXPECT_EQ(collect().waiting_blobs, 2U);  // module and image
  pass(std::chrono::hours(24));
  const CollectionReport wouldbe = collect(true);
  EXPECT_TRUE(wouldbe.dry_run);
  EXPECT_EQ(wouldbe.blobs, 2U);
  EXPECT_TRUE(has("two"));
  const CollectionReport report = collect();
  EXPECT_EQ(report.blobs, wouldbe.blobs);
  EXPECT_EQ(report.bytes, wouldbe.bytes);
  EXPECT_EQ(report.kept_blobs, 2U);
  EXPECT_FALSE(has("two"));
  EXPECT_TRUE(has("one"));
  // The uses went with them.
  EXPECT_TRUE(store_.list({.folder = *Key::parse("uses")})->entries.empty());
  EXPECT_EQ(collect().blobs, 0U);
}

TEST_F(StoreCollectorTest, BlobsThatADeployAsksFor_StayFromThenOn) {
  deploy("gone", "two");
  ASSERT_TRUE(apps_.remove_app("gone").has_value());
  pass(std::chrono::hours(24));
  ASSERT_TRUE(apps_.missing_blobs({crypto::blake3(base::as_bytes("two"))})->empty());
  EXPECT_EQ(collect().blobs, 1U);  // the image, which nobody asked for
  EXPECT_TRUE(has("two"));
}

TEST_F(StoreCollectorTest, WhatWasUsedAMomentAgo_IsNotWrittenDownAgain) {
  const auto hash = crypto::blake3(base::as_bytes("two"));
  const auto written = [this] {
    return store_.list({.folder = *Key::parse("uses")})->entries.at(0).written;
  };
  ASSERT_TRUE(apps_.missing_blobs({hash}).has_value());
  const auto first = written();
  pass(std::chrono::minutes(9));
  ASSERT_TRUE(apps_.missing_blobs({hash}).has_value());
  EXPECT_EQ(written(), first);
  pass(std::chrono::minutes(1));
  ASSERT_TRUE(apps_.missing_blobs({hash}).has_value());
  EXPECT_EQ(*written(), *first + 600);
}

TEST_F(StoreCollectorTest, PublishedPackages_KeepTheirBlobs) {
  const auto package = apps_.put_image(send("library"));
  put("packages/owner/name/1.0.0", published(*package, *package));
  pass(std::chrono::hours(48));
  EXPECT_EQ(collect().blobs, 0U);
  EXPECT_TRUE(has("library"));
}

TEST_F(StoreCollectorTest, ADocumentThatIsNotUnderstood_StopsTheCollection) {
  deploy("gone", "two");
  ASSERT_TRUE(apps_.remove_app("gone").has_value());
  pass(std::chrono::hours(24));
  put("apps/site/versions/000000001", "{");
  EXPECT_THAT(refusal(), HasSubstr("apps/site/versions/000000001"));
  EXPECT_TRUE(has("two"));
  ASSERT_TRUE(
      store_.remove(*Key::parse("apps/site/versions/000000001"), Precondition::any()).has_value());
  put("packages/owner/name/1.0.0", "{}");
  EXPECT_THAT(refusal(), HasSubstr("packages/owner/name/1.0.0"));
  // One of its packages is not there.
  const auto package = apps_.put_image(send("library"));
  put("packages/owner/name/1.0.0", published(*package, crypto::blake3({})));
  EXPECT_THAT(refusal(), HasSubstr("packages/owner/name/1.0.0"));
  put("packages/owner/name/1.0.0", published(*package, *package));
  put("uses/x", "nothing");
  EXPECT_THAT(refusal(), HasSubstr("uses/x"));
  EXPECT_TRUE(has("two"));
}

TEST_F(StoreCollectorTest, AVersionWhosePackageIsGone_StopsTheCollection) {
  deploy("site", "one");
  const auto identity = apps_.version("site", 1)->package;
  ASSERT_TRUE(store_.remove(store::blob_key(identity), Precondition::any()).has_value());
  EXPECT_THAT(refusal(), HasSubstr("apps/site/versions/000000001"));
}

TEST_F(StoreCollectorTest, OldVersions_GoUnlessTheyAreActive) {
  for (const std::string_view content : {"1", "2", "3", "4", "5", "6"}) {
    deploy("site", content, content == "2");
  }
  EXPECT_EQ(collect(true).versions, 2U);
  EXPECT_EQ(collect().versions, 2U);
  EXPECT_THAT(apps_.versions("site").value(), ElementsAre(2U, 4U, 5U, 6U));
  EXPECT_EQ(apps_.active("site").value()->versions, only(2).versions);
  EXPECT_THAT(apps_.activate("site", only(1)).error().message(), HasSubstr("no version 1"));
  // What was active goes once it is not.
  ASSERT_TRUE(apps_.activate("site", only(6)).has_value());
  EXPECT_EQ(collect().versions, 1U);
  EXPECT_THAT(apps_.versions("site").value(), ElementsAre(4U, 5U, 6U));
  pass(std::chrono::hours(24));
  EXPECT_EQ(collect().blobs, 6U);
  EXPECT_TRUE(has("4"));
  EXPECT_FALSE(has("2"));
}

TEST_F(StoreCollectorTest, AnAppOfWhichNothingIsActive_KeepsAll) {
  for (const std::string_view content : {"1", "2", "3", "4", "5"}) {
    deploy("site", content, false);
  }
  EXPECT_EQ(collect().versions, 0U);
}

TEST_F(StoreCollectorTest, AVersionThatIsBeingRemoved_CannotBeChosen) {
  deploy("site", "1");
  deploy("site", "2");
  put("apps/site/active",
      to_json(ActiveRecord{.versions = {{.version = 2, .weight = 1}}, .retiring = {1}}));
  EXPECT_THAT(apps_.activate("site", only(1)).error().message(), HasSubstr("being removed"));
  // Also after another choice.
  ASSERT_TRUE(apps_.activate("site", only(2), only(2)).has_value());
  EXPECT_FALSE(apps_.activate("site", only(1)).has_value());
}

TEST_F(StoreCollectorTest, OneNodeAtATimeCollects) {
  put("collection/state", to_json(CollectionRecord{.holder = "b", .removing = {}}));
  EXPECT_THAT(refusal(), HasSubstr("another node is collecting"));
  pass(std::chrono::hours(1));
  EXPECT_EQ(collect().blobs, 0U);
  // Also this node's own, of another process, which may hand over to this one and live.
  put("collection/state", to_json(CollectionRecord{.holder = "a-1", .removing = {}}));
  EXPECT_THAT(refusal(), HasSubstr("another node is collecting"));
  // This process's own, which failed.
  put("collection/state", to_json(CollectionRecord{.holder = "a-2", .removing = {}}));
  EXPECT_EQ(collect().blobs, 0U);
}

TEST_F(StoreCollectorTest, ADeployWaitsForARemoval_UntilItIsKnownToBeDead) {
  const auto hash = crypto::blake3(base::as_bytes("two"));
  put("collection/state", to_json(CollectionRecord{.holder = "b", .removing = {hash}}));
  EXPECT_EQ(apps_.missing_blobs({hash}).error().kind(), ErrorKind::kOverloaded);
  // Others do not wait.
  EXPECT_TRUE(apps_.missing_blobs({crypto::blake3(base::as_bytes("one"))}).has_value());
  pass(std::chrono::duration_cast<std::chrono::seconds>(kAbandonedTime));
  EXPECT_TRUE(apps_.missing_blobs({hash}).has_value());
}

TEST_F(StoreCollectorTest, ARestartedNode_EndsItsOwnCollectionOnly) {
  const auto hash = crypto::blake3(base::as_bytes("two"));
  put("collection/state", to_json(CollectionRecord{.holder = "ab-1", .removing = {hash}}));
  ASSERT_TRUE(collector_.recover().has_value());
  EXPECT_FALSE(apps_.missing_blobs({hash}).has_value());
  put("collection/state", to_json(CollectionRecord{.holder = "a-1", .removing = {hash}}));
  ASSERT_TRUE(collector_.recover().has_value());
  EXPECT_TRUE(apps_.missing_blobs({hash}).has_value());
}

TEST_F(StoreCollectorTest, AClockThatWasSetBack_RemovesNothingThatIsInUse) {
  const auto package = apps_.put_image(send("one"));
  ASSERT_TRUE(package.has_value());
  pass(std::chrono::hours(-400));
  EXPECT_EQ(collect().blobs, 0U);
  EXPECT_EQ(collect().waiting_blobs, 2U);
  EXPECT_TRUE(apps_.create_version("site", *package, "config").has_value());
}

TEST_F(StoreCollectorTest, ANodeThatEnds_EndsItsCollection) {
  deploy("site", "one");
  collector_.stop();
  EXPECT_THAT(refusal(), HasSubstr("ending"));
}

}  // namespace
}  // namespace selvedge::app
