// Position-independent programs, which keep all of the C library: they start without Asyncify, and
// only the calls that would need it fail.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/format.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using Kind = ExitStatus::Kind;

// The body of `_start` of a program that `asyncify` adds functions to.
std::string program(std::string_view body, std::string_view asyncify = {}) {
  return fmt::format(R"((module
  (@dylink.0 (mem-info (memory 16 3) (table 0 0)))
  (import "wasix_32v1" "proc_fork" (func $fork (param i32 i32) (result i32)))
  (import "wasix_32v1" "stack_checkpoint" (func $checkpoint (param i32 i32) (result i32)))
  (import "wasix_32v1" "stack_restore" (func $restore (param i32 i64)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "env" "memory" (memory 1 1024 shared))
  (import "env" "__memory_base" (global $base i32))
  (func (export "_start") {})
  {}))",
                     body, asyncify);
}

ExitStatus run(std::string_view wat) {
  Machine machine;
  auto linked = machine.link_wat(wat);
  EXPECT_TRUE(linked) << linked.error().message();
  return machine.run(*linked, ProcessOptions{});
}

TEST(ForkRefused, PositionIndependentProgram_ThatCallsNothing_Runs) {
  const ExitStatus status = run(program("(call $exit (i32.const 7))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 7U);
}

TEST(ForkRefused, Fork_IsNotsup_AlsoWithAFunctionOfAsyncifys) {
  constexpr std::string_view kForks = "(call $exit (call $fork (i32.const 1) (global.get $base)))";
  for (const std::string_view asyncify :
       {"", R"((func (export "asyncify_start_unwind") (param i32)))"}) {
    const ExitStatus status = run(program(kForks, asyncify));
    EXPECT_EQ(status.kind, Kind::kExited) << status.message;
    EXPECT_EQ(status.code, static_cast<std::uint32_t>(Errno::kNotsup));
  }
}

TEST(ForkRefused, Setjmp_TrapsWithTheWayOut) {
  const ExitStatus status =
      run(program("(drop (call $checkpoint (global.get $base) (global.get $base)))"));
  EXPECT_EQ(status.kind, Kind::kTrapped);
  EXPECT_NE(status.message.find("wasm-opt"), std::string::npos) << status.message;
}

TEST(ForkRefused, Longjmp_Traps) {
  const ExitStatus status = run(program("(call $restore (global.get $base) (i64.const 1))"));
  EXPECT_EQ(status.kind, Kind::kTrapped);
  EXPECT_NE(status.message.find("setjmp"), std::string::npos) << status.message;
}

}  // namespace
}  // namespace selvedge::wasix
