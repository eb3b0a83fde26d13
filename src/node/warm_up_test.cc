// Goal: the request that a shard makes to itself goes all the way to a guest and back, leaves
// nothing behind but its artifact, and what goes wrong with it is told.

#include "node/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/app_router.h"
#include "app/testing/app_world.h"
#include "base/system.h"
#include "engine/testing/guests.h"
#include "io/kernel_reactor.h"
#include "store/testing/store_world.h"
#include "wasix/host_functions.h"

namespace selvedge::node {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class WarmUpTest : public ::testing::Test {
 protected:
  std::unique_ptr<engine::Engine> make_engine() {
    engine::EngineOptions options = engine::testing::small_pool();
    options.cache_folder = folder_.path() / "cache";
    options.random = &random_;
    return engine::testing::make_engine(std::move(options));
  }
  void register_functions(engine::HostFunctions& functions) { wasix::register_preview1(functions); }
  Result<> run(engine::Engine& engine, const engine::HostFunctions& functions) {
    app::GuestShard shard(*reactor_, engine, clock_, random_, nullptr);
    return reactor_->run(warm_up(
        {.shard = shard, .functions = functions, .compile_helpers = helpers_, .random = random_}));
  }
  std::size_t artifacts() {
    std::size_t count = 0;
    for (const auto& file : fs::directory_iterator(folder_.path() / "cache")) {
      count += file.path().extension() == ".artifact" ? 1 : 0;
    }
    return count;
  }

  base::SystemClock clock_;
  base::SystemRandom random_;
  store::testing::TemporaryFolder folder_;
  std::unique_ptr<io::KernelReactor> reactor_ = io::KernelReactor::create(clock_).value();
  io::ThreadHelperPool helpers_{{.threads = 1}};
};

TEST_F(WarmUpTest, AGuestAnswers_AndIsGoneAfterwards) {
  const auto engine = make_engine();
  engine::HostFunctions functions(*engine);
  register_functions(functions);
  for (int time = 0; time < 3; ++time) {
    const auto warmed = run(*engine, functions);
    ASSERT_TRUE(warmed.has_value()) << warmed.error().message();
    EXPECT_EQ(engine->pool_metrics().instances, 0U);
    EXPECT_EQ(artifacts(), 1U);
  }
}

TEST_F(WarmUpTest, TheNextStart_CompilesNothing) {
  engine::ContentHash hash;
  {
    const auto engine = make_engine();
    engine::HostFunctions functions(*engine);
    register_functions(functions);
    ASSERT_TRUE(run(*engine, functions).has_value());
    const auto version = make_warm_up_version(*engine, functions);
    ASSERT_TRUE(version.has_value()) << version.error().message();
    hash = (*version)->program->module()->module().content_hash();
  }
  EXPECT_NE(make_engine()->find(hash), nullptr);
}

TEST_F(WarmUpTest, WhatGoesWrong_IsAnError) {
  const auto engine = make_engine();
  const engine::HostFunctions nothing(*engine);
  const auto warmed = run(*engine, nothing);
  ASSERT_FALSE(warmed.has_value());
  EXPECT_THAT(warmed.error().message(), HasSubstr("502"));
}

}  // namespace
}  // namespace selvedge::node
