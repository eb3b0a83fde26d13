// What ThreadSanitizer sees of code that runs below a guest.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <thread>

#include "engine/testing/guests.h"

namespace selvedge::engine {
namespace {

#if __has_feature(thread_sanitizer)

constexpr int kExitCodeOfAReport = 66;

std::int32_t unguarded = 0;
std::int32_t count_unguarded(HostContext& /*context*/) { return ++unguarded; }

void race_in_a_host_function() {
  const auto engine = testing::make_engine();
  HostFunctions functions(*engine);
  functions.define<&count_unguarded>("test", "count");
  const auto module = testing::compile(*engine, R"((module
    (import "test" "count" (func $count (result i32)))
    (memory (export "memory") 1)
    (func (export "go") (drop (call $count)))))");
  testing::Guest first(functions, module);
  testing::Guest second(functions, module);
  Fiber& first_call = first.call("go");
  Fiber& second_call = second.call("go");
  // Neither waits for the other, so that nothing orders the two accesses, however they are run.
  std::thread first_thread([&first_call] { first_call.poll(); });
  std::thread second_thread([&second_call] { second_call.poll(); });
  first_thread.join();
  second_thread.join();
  std::exit(0);
}

// A suppression that is too wide, or a switch of stacks that loses the thread's history, would make
// every other run under the sanitizer worthless.
TEST(ThreadSanitizerDeathTest, RaceInAHostFunction_IsReported) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(race_in_a_host_function(), ::testing::ExitedWithCode(kExitCodeOfAReport),
              "data race(.|\n)*count_unguarded");
}

#endif

}  // namespace
}  // namespace selvedge::engine
