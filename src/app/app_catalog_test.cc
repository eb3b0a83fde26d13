#include "app/app_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/testing/app_world.h"
#include "base/bytes.h"
#include "io/task_scope.h"
#include "io/testing/simulation.h"

// Goal: a node serves what the store says, learns of changes, and goes on while the store is gone.
// Method: a real store on the disk behind one that can be switched off, in simulated time.

namespace selvedge::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr base::Duration kPollInterval = milliseconds(500);
// For one poll and all that follows from it.
constexpr base::Duration kNoticeTime = kPollInterval + milliseconds(100);

// Does not answer while the test says so.
class SwitchedStore final : public store::Store {
 public:
  explicit SwitchedStore(store::Store& inner) noexcept : inner_(inner) {}

  Result<store::Object> get(const store::Key& key, std::size_t bytes_max) override {
    SELVEDGE_TRY_VOID(check());
    SELVEDGE_TRY(auto object, inner_.get(key, bytes_max));
    object.stale = stale;
    return object;
  }
  Result<std::optional<store::Object>> get_if_changed(const store::Key& key,
                                                      const store::Revision& known,
                                                      std::size_t bytes_max) override {
    if (stale) {
      SELVEDGE_TRY(auto object, get(key, bytes_max));
      return std::optional(std::move(object));
    }
    SELVEDGE_TRY_VOID(check());
    return inner_.get_if_changed(key, known, bytes_max);
  }
  Result<store::Revision> put(const store::Key& key, base::ByteSpan bytes,
                              const store::Precondition& precondition) override {
    SELVEDGE_TRY_VOID(check());
    return inner_.put(key, bytes, precondition);
  }
  Result<> remove(const store::Key& key, const store::Precondition& precondition) override {
    SELVEDGE_TRY_VOID(check());
    return inner_.remove(key, precondition);
  }
  Result<store::ListPage> list(const store::ListOptions& options) override {
    SELVEDGE_TRY_VOID(check());
    return inner_.list(options);
  }
  Result<std::optional<std::uint64_t>> find_blob(const store::BlobHash& hash) override {
    SELVEDGE_TRY_VOID(check());
    return inner_.find_blob(hash);
  }
  Result<> write_blob(store::BlobSource& source) override {
    SELVEDGE_TRY_VOID(check());
    return inner_.write_blob(source);
  }
  Result<> read_blob(const store::BlobHash& hash, std::uint64_t bytes_max,
                     store::BlobSink& sink) override {
    SELVEDGE_TRY_VOID(check());
    return inner_.read_blob(hash, bytes_max, sink);
  }

  bool answers = true;
  bool stale = false;  // answers as a cache does whose store is gone
  int asked = 0;

 private:
  Result<> check() {
    ++asked;
    return answers ? Result<>() : fail(ErrorKind::kDisconnected, "the store is switched off");
  }

  store::Store& inner_;
};

class AppCatalogTest : public ::testing::Test {
 protected:
  AppCatalogTest() {
    catalog_.set_listener([this](const std::optional<std::string>& app) {
      heard_.push_back(app.value_or("everything"));
    });
  }

  void follow() {
    scope_.spawn(catalog_.follow());
    simulation_.run_for(kNoticeTime);
  }
  std::optional<ActiveRecord> active(const std::string& app = "site") {
    auto found = host_.reactor().run(catalog_.find_app(app));
    EXPECT_TRUE(found.has_value()) << found.error().message();
    return found.value_or(std::nullopt);
  }
  Result<std::shared_ptr<const AppVersion>> version(VersionNumber number) {
    return host_.reactor().run(catalog_.find_version("site", number));
  }
  static ActiveRecord only(VersionNumber number) {
    return {.versions = {{.version = number, .weight = 1}}};
  }
  // As another node would.
  void activate(VersionNumber number) { world_.activate("site", only(number).versions); }

  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  io::testing::SimulatedHelperPool helpers_{simulation_};
  testing::AppWorld world_{simulation_.clock()};
  SwitchedStore store_{world_.blobs()};
  AppStore apps_{store_, simulation_.clock()};
  std::vector<std::string> heard_;
  testing::ManualHelperPool compile_helpers_;
  AppCatalog catalog_{host_.reactor(),
                      {.store = apps_,
                       .loader = world_.loader(),
                       .store_helpers = helpers_,
                       .compile_helpers = helpers_,
                       .poll_interval = kPollInterval}};
  io::TaskScope scope_{host_.reactor()};
};

TEST_F(AppCatalogTest, WhatWasStale_IsReadAnewOnceTheStoreAnswers) {
  world_.deploy("site", testing::cgi_program("one"));
  activate(1);
  follow();
  heard_.clear();
  store_.stale = true;
  simulation_.run_for(kNoticeTime);
  EXPECT_EQ(active(), only(1));
  EXPECT_THAT(heard_, IsEmpty());
  const int asked = store_.asked;
  store_.stale = false;
  simulation_.run_for(kNoticeTime);
  EXPECT_THAT(heard_, ElementsAre("everything"));
  EXPECT_EQ(active(), only(1));
  EXPECT_GT(store_.asked, asked);
  simulation_.run_for(kNoticeTime);
  EXPECT_THAT(heard_, ElementsAre("everything"));
}

TEST_F(AppCatalogTest, ChangedSecrets_MakeTheSameVersionAnother) {
  world_.deploy("site", testing::cgi_program("one"));
  activate(1);
  follow();
  const auto before = version(1);
  ASSERT_TRUE(before.has_value());
  ASSERT_TRUE(world_.secrets().set("site", {{"KEY", "value"}}).has_value());
  ASSERT_TRUE(world_.apps().announce("site").has_value());
  simulation_.run_for(kNoticeTime);
  const auto after = version(1);
  ASSERT_TRUE(after.has_value());
  EXPECT_NE(*before, *after);
  EXPECT_EQ((*after)->program->options().environment, (Environment{{"KEY", "value"}}));
}

TEST_F(AppCatalogTest, WhatWasRead_IsKeptUntilAnotherNodeChangesIt) {
  world_.deploy("site", testing::cgi_program("one"));
  activate(1);
  follow();
  EXPECT_EQ(active(), only(1));
  const int asked = store_.asked;
  EXPECT_EQ(active(), only(1));
  EXPECT_EQ(store_.asked, asked);

  heard_.clear();
  world_.deploy("site", testing::cgi_program("two"));
  activate(2);
  EXPECT_EQ(active(), only(1));
  simulation_.run_for(kNoticeTime);
  EXPECT_THAT(heard_, ElementsAre("site"));
  EXPECT_EQ(active(), only(2));
}

TEST_F(AppCatalogTest, AnAppThatDidNotExist_IsFoundWhenItDoes) {
  follow();
  EXPECT_EQ(active(), std::nullopt);
  world_.deploy("site", testing::cgi_program("one"));
  activate(1);
  simulation_.run_for(kNoticeTime);
  EXPECT_EQ(active(), only(1));
}

TEST_F(AppCatalogTest, OwnChanges_CountAtOnce) {
  world_.deploy("site", testing::cgi_program("one"));
  EXPECT_EQ(active(), std::nullopt);
  activate(1);
  catalog_.changed("site");
  EXPECT_THAT(heard_, ElementsAre("site"));
  EXPECT_EQ(active(), only(1));
}

TEST_F(AppCatalogTest, DomainsAreForgottenWithAnyApp) {
  follow();
  EXPECT_EQ(host_.reactor().run(catalog_.find_domain("www.example.com")).value(), std::nullopt);
  world_.deploy("site", testing::cgi_program("one"));
  ASSERT_TRUE(world_.apps().claim_domains("site", {"www.example.com"}).has_value());
  activate(1);
  simulation_.run_for(kNoticeTime);
  EXPECT_EQ(host_.reactor().run(catalog_.find_domain("www.example.com")).value(), "site");
}

TEST_F(AppCatalogTest, ChangesThatAreNotInTheListAnyMore_ForgetEverything) {
  world_.deploy("site", testing::cgi_program("one"));
  world_.deploy("site", testing::cgi_program("two"));
  activate(1);
  follow();
  EXPECT_EQ(active(), only(1));
  heard_.clear();
  activate(2);
  // Another app changes so often that the list does not go back to ours.
  ChangeRecord record = world_.apps().changes(std::nullopt).value()->record;
  for (std::size_t i = 0; i < kChangesMax + 1; ++i) {
    record.add("other");
  }
  ASSERT_TRUE(world_.blobs()
                  .put(store::testing::key("changes"), base::as_bytes(to_json(record)),
                       store::Precondition::any())
                  .has_value());
  simulation_.run_for(kNoticeTime);
  EXPECT_THAT(heard_, ElementsAre("everything"));
  EXPECT_EQ(active(), only(2));
}

TEST_F(AppCatalogTest, WhileTheStoreIsGone_WhatIsKnownIsServed) {
  world_.deploy("site", testing::cgi_program("one"));
  world_.deploy("site", testing::cgi_program("two"));
  activate(1);
  follow();
  EXPECT_EQ(active(), only(1));
  heard_.clear();

  store_.answers = false;
  simulation_.run_for(minutes(20));
  EXPECT_EQ(active(), only(1)) << "longer than the time after which it is read anew";
  EXPECT_EQ(host_.reactor().run(catalog_.find_app("unknown")).error().kind(),
            ErrorKind::kDisconnected);
  activate(2);
  EXPECT_THAT(heard_, IsEmpty());

  store_.answers = true;
  simulation_.run_for(kNoticeTime);
  EXPECT_THAT(heard_, ElementsAre("site"));
  EXPECT_EQ(active(), only(2));
}

TEST_F(AppCatalogTest, AVersion_IsOneObjectAsLongAsItIsTheSame) {
  world_.deploy("site", testing::cgi_program("one"));
  const auto first = version(1).value();
  EXPECT_EQ(version(1).value(), first);
  activate(1);
  catalog_.changed("site");
  EXPECT_EQ(version(1).value(), first) << "the app changed, this version did not";
}

TEST_F(AppCatalogTest, AVersionOfARecreatedApp_IsAnotherOne) {
  world_.deploy("site", testing::cgi_program("one"));
  const auto first = version(1).value();
  ASSERT_TRUE(world_.apps().remove_app("site").has_value());
  world_.deploy("site", testing::cgi_program("other"));
  EXPECT_EQ(version(1).value(), first);
  catalog_.changed("site");
  const auto second = version(1).value();
  EXPECT_NE(second, first);
  EXPECT_NE(second->record.package, first->record.package);
  EXPECT_EQ(version(1).value(), second);
}

TEST_F(AppCatalogTest, ARemovedVersion_IsNotFound) {
  world_.deploy("site", testing::cgi_program("one"));
  const auto first = version(1).value();
  ASSERT_TRUE(world_.apps().remove_app("site").has_value());
  catalog_.changed("site");
  EXPECT_EQ(version(1).error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(version(7).error().kind(), ErrorKind::kNotFound);
}

TEST_F(AppCatalogTest, AChangeWhileAVersionIsLoaded_LoadsItAgain) {
  AppCatalog catalog(host_.reactor(), {.store = apps_,
                                       .loader = world_.loader(),
                                       .store_helpers = helpers_,
                                       .compile_helpers = compile_helpers_});
  world_.deploy("site", testing::cgi_program("one"));
  std::shared_ptr<const AppVersion> found;
  scope_.spawn([](AppCatalog& asked, std::shared_ptr<const AppVersion>& result) -> io::Task<> {
    SELVEDGE_CO_TRY(result, co_await asked.find_version("site", 1));
    co_return {};
  }(catalog, found));
  simulation_.run_for(milliseconds(1));
  ASSERT_EQ(compile_helpers_.size(), 1U);
  compile_helpers_.run_one();
  ASSERT_TRUE(world_.apps().remove_app("site").has_value());
  world_.deploy("site", testing::cgi_program("other"));
  const auto package = world_.apps().version("site", 1)->package;
  catalog.changed("site");
  simulation_.run_for(milliseconds(1));
  ASSERT_EQ(compile_helpers_.size(), 1U);
  compile_helpers_.run_one();
  simulation_.run_for(milliseconds(1));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->record.package, package);
}

TEST_F(AppCatalogTest, Cancelled_AnswersNothing) {
  world_.deploy("site", testing::cgi_program("one"));
  activate(1);
  EXPECT_EQ(active(), only(1));
  const auto first = version(1).value();
  catalog_.cancel();
  EXPECT_EQ(host_.reactor().run(catalog_.find_app("site")).error().kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(host_.reactor().run(catalog_.find_domain("www.example.com")).error().kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(version(1).error().kind(), ErrorKind::kDisconnected);
}

}  // namespace
}  // namespace selvedge::app
