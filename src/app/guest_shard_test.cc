// Goal: programs of one module share what it is linked to, and nothing keeps it when they are gone.

#include "app/guest_shard.h"

#include <gtest/gtest.h>

#include "app/testing/app_world.h"
#include "io/testing/simulation.h"

namespace selvedge::app {
namespace {

class GuestShardTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Program> program_of(const std::string& app, std::string_view content) {
    const auto version =
        world_.loader().load(app, world_.deploy(app, testing::cgi_program(content)));
    EXPECT_TRUE(version.has_value());
    return version.has_value() ? (*version)->program : nullptr;
  }

  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  base::SeededRandom random_{1};
  testing::AppWorld world_{simulation_.clock()};
  GuestShard shard_{host_.reactor(), world_.engine(), simulation_.clock(), random_, nullptr};
};

TEST_F(GuestShardTest, AppsOfOneModule_ShareIt) {
  const auto one = program_of("one", "the same");
  const auto two = program_of("two", "the same");
  EXPECT_EQ(one->module(), two->module());
  EXPECT_NE(one->module(), program_of("three", "another")->module());
}

TEST_F(GuestShardTest, AModule_HasOwnersOfItsOwnOnAShard) {
  auto program = program_of("one", "the same");
  const std::weak_ptr<const engine::LinkedModule> module = program->module();
  auto counted = shard_.counted_here(program->module());
  EXPECT_EQ(counted.get(), module.lock().get());
  EXPECT_EQ(shard_.counted_here(program->module()), counted);
  const long owners = module.use_count();
  const auto copy = counted;
  EXPECT_EQ(module.use_count(), owners) << "a process on the shard writes to the shard's count";
  program.reset();
  EXPECT_FALSE(module.expired());
}

TEST_F(GuestShardTest, WithTheLastProgram_TheModuleGoes) {
  auto program = program_of("one", "the same");
  const std::weak_ptr<const engine::LinkedModule> module = program->module();
  shard_.counted_here(program->module()).reset();
  program.reset();
  EXPECT_TRUE(module.expired());
  program = program_of("one", "the same");
  EXPECT_EQ(shard_.counted_here(program->module()).get(), program->module().get());
}

}  // namespace
}  // namespace selvedge::app
