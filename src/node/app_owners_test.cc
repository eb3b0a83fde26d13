// Goal: a name is taken by a version and by nothing less, whatever fails, dies or comes between.
// Method: a store in memory in which, before each of a deploy's operations, another deploy happens,
// or the deploying node dies.

#include "node/app_owners.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "io/testing/simulation.h"
#include "store/testing/memory_store.h"

namespace selvedge::node {
namespace {

// Calls `interrupt` before one operation; with `dead` every later one fails.
class InterruptedStore final : public store::testing::MemoryStore {
 public:
  Result<store::Object> get(const store::Key& key, std::size_t bytes_max) override {
    SELVEDGE_TRY_VOID(step());
    return MemoryStore::get(key, bytes_max);
  }
  Result<store::Revision> put(const store::Key& key, base::ByteSpan bytes,
                              const store::Precondition& precondition) override {
    SELVEDGE_TRY_VOID(step());
    return MemoryStore::put(key, bytes, precondition);
  }
  Result<> remove(const store::Key& key, const store::Precondition& precondition) override {
    SELVEDGE_TRY_VOID(step());
    return MemoryStore::remove(key, precondition);
  }
  Result<store::ListPage> list(const store::ListOptions& options) override {
    SELVEDGE_TRY_VOID(step());
    return MemoryStore::list(options);
  }

  int steps_left = -1;  // until the interruption; negative: there is none
  std::function<void()> interrupt;
  bool dead = false;

 private:
  Result<> step() {
    if (steps_left >= 0 && steps_left-- == 0 && interrupt) {
      std::exchange(interrupt, nullptr)();
    }
    return dead ? Result<>(fail(ErrorKind::kDisconnected, "the node is dead")) : Result<>();
  }
};

class AppOwnersTest : public ::testing::Test {
 protected:
  // As the admin API does it; the version says whose it is.
  Result<> deploy(const std::string& owner) {
    SELVEDGE_TRY_VOID(owners_.check_deploy("site", owner));
    SELVEDGE_TRY_VOID(owners_.claim("site", owner));
    SELVEDGE_TRY(const auto record, apps_.create_version("site", crypto::blake3({}), owner));
    auto confirmed = owners_.confirm("site", owner);
    if (!confirmed.has_value() && confirmed.error().kind() == ErrorKind::kDenied) {
      SELVEDGE_TRY_VOID(apps_.withdraw_version("site", record.number));
    }
    return confirmed;
  }
  bool owns(const std::string& owner) { return owners_.check("site", owner).has_value(); }
  // Every version is the owner's; nullopt: there is none.
  std::optional<std::string> owner_of_versions() {
    std::optional<std::string> owner;
    for (const app::VersionNumber number : *apps_.versions("site")) {
      const std::string config = apps_.version("site", number)->config;
      EXPECT_EQ(owner.value_or(config), config);
      owner = config;
    }
    return owner;
  }
  void reset() {
    for (const app::VersionNumber number : *apps_.versions("site")) {
      EXPECT_TRUE(apps_.withdraw_version("site", number).has_value());
    }
    EXPECT_TRUE(owners_.forget("site").has_value());
  }

  static constexpr int kStepsMax = 40;  // more than a deploy has
  InterruptedStore store_;
  io::testing::Simulation simulation_{1};
  app::AppStore apps_{store_, simulation_.clock()};
  AppOwners owners_{apps_};
};

TEST_F(AppOwnersTest, TheFirstVersionMakesTheNameTheirs) {
  EXPECT_FALSE(owns("ada"));
  ASSERT_TRUE(deploy("ada").has_value());
  EXPECT_TRUE(owns("ada"));
  EXPECT_FALSE(owns("bob"));
  EXPECT_EQ(deploy("bob").error().kind(), ErrorKind::kDenied);
  EXPECT_TRUE(deploy("ada").has_value());
  EXPECT_EQ(owner_of_versions(), "ada");
}

TEST_F(AppOwnersTest, AnAppOfNobody_StaysNobodys) {
  ASSERT_TRUE(apps_.create_version("site", crypto::blake3({}), "nobody").has_value());
  EXPECT_EQ(deploy("ada").error().kind(), ErrorKind::kDenied);
  EXPECT_EQ(owners_.claim("site", "ada").error().kind(), ErrorKind::kDenied);
  EXPECT_FALSE(owns("ada"));
}

TEST_F(AppOwnersTest, AClaimWithoutAVersion_StopsNobodyAndAllowsNothing) {
  ASSERT_TRUE(owners_.claim("site", "ada").has_value());
  EXPECT_FALSE(owns("ada"));
  EXPECT_TRUE(owners_.check_deploy("site", "bob").has_value());
  ASSERT_TRUE(deploy("bob").has_value());
  EXPECT_TRUE(owns("bob"));
  EXPECT_EQ(owners_.confirm("site", "ada").error().kind(), ErrorKind::kDenied);
}

TEST_F(AppOwnersTest, OfTwoAtOnce_OneHasTheNameAndEveryVersion) {
  int both = 0;
  for (int step = 0; step < kStepsMax; ++step) {
    reset();
    bool bob = false;
    store_.interrupt = [&] { bob = deploy("bob").has_value(); };
    store_.steps_left = step;
    const bool ada = deploy("ada").has_value();
    store_.interrupt = nullptr;
    store_.steps_left = -1;
    EXPECT_LE(static_cast<int>(ada) + static_cast<int>(bob), 1) << step;
    EXPECT_EQ(owns("ada"), ada) << step;
    EXPECT_EQ(owns("bob"), bob) << step;
    EXPECT_EQ(owner_of_versions(), ada ? "ada" : "bob") << step;
    both += bob ? 1 : 0;
  }
  EXPECT_GT(both, 0);
  EXPECT_LT(both, kStepsMax);
}

TEST_F(AppOwnersTest, OfOneOwner_BothSucceed) {
  for (int step = 0; step < kStepsMax; ++step) {
    reset();
    store_.interrupt = [&] { EXPECT_TRUE(deploy("ada").has_value()) << step; };
    store_.steps_left = step;
    EXPECT_TRUE(deploy("ada").has_value()) << step;
    store_.interrupt = nullptr;
    store_.steps_left = -1;
    EXPECT_TRUE(owns("ada"));
  }
}

TEST_F(AppOwnersTest, ANodeThatDies_LeavesTheNameFreeOrItsOwnersWithAVersion) {
  int versions = 0;
  for (int step = 0; step < kStepsMax; ++step) {
    reset();
    store_.interrupt = [this] { store_.dead = true; };
    store_.steps_left = step;
    [[maybe_unused]] const auto ended = deploy("ada");
    store_.dead = false;
    store_.interrupt = nullptr;
    store_.steps_left = -1;
    if (owner_of_versions().has_value()) {
      ++versions;
      EXPECT_TRUE(owns("ada")) << step;
      EXPECT_FALSE(deploy("bob").has_value()) << step;
      EXPECT_TRUE(deploy("ada").has_value()) << step;
    } else {
      EXPECT_TRUE(deploy("bob").has_value()) << step;
      EXPECT_TRUE(owns("bob")) << step;
      EXPECT_FALSE(deploy("ada").has_value()) << step;
    }
  }
  EXPECT_GT(versions, 0);
  EXPECT_LT(versions, kStepsMax);
}

}  // namespace
}  // namespace selvedge::node
