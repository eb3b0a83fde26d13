// Libraries and threads, contexts, programs that need libraries before they start.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/format.h"
#include "wasix/dynamic_linker.h"
#include "wasix/testing/library_programs.h"

namespace selvedge::wasix {
namespace {

using testing::appending_library;
using ::testing::HasSubstr;
using testing::kNotLoaded;
using testing::library;
using testing::thread_local_library;
using Kind = ExitStatus::Kind;

class DynamicLinkerThreadsTest : public ::testing::Test, protected testing::LibraryWorld {
 protected:
  void expect(std::uint32_t code) {
    const ExitStatus status = run();
    EXPECT_EQ(status.kind, Kind::kExited) << status.message;
    EXPECT_EQ(status.code, code);
  }

  void expect_trap(std::string_view message) {
    const ExitStatus status = run();
    EXPECT_EQ(status.kind, Kind::kTrapped);
    EXPECT_THAT(status.message, HasSubstr(message));
  }
};

TEST_F(DynamicLinkerThreadsTest, ThreadLocalVariables_AreInTheDataOfTheThreadThatLoads) {
  set_program(testing::loading_program_of_threads());
  put("a", thread_local_library(4, R"((func (export "run") (result i32)
    (i32.add (i32.load8_u (global.get $base))
             (i32.ne (global.get $base) (global.get $memory)))))"));
  expect('A');
}

TEST_F(DynamicLinkerThreadsTest, ThreadLocalVariablesThatNothingPrepares_AreAnError) {
  set_program(testing::loading_program_of_threads());
  put("a", R"((module (@dylink.0 (mem-info (memory 4 0) (table 0 0)) (export-info "own" tls))
                (import "env" "memory" (memory 1 64 shared))
                (global (export "own") i32 (i32.const 0))))");
  expect(kNotLoaded);
  // Their block would not be in the library's data.
  std::string outside = thread_local_library(4, "");
  outside.replace(outside.find("global.set $base (global.get $memory)"), 37,
                  "global.set $base (i32.const 70000000)");
  put("a", outside);
  expect_trap("not where its data is");
}

TEST_F(DynamicLinkerThreadsTest, ThreadLocalVariablesForWhichThereIsNoMemory_AreAnError) {
  set_program(testing::loading_program_of_threads());
  // The program has 1 MiB: it is enough for the library, and not for what a new thread begins with.
  put("a", thread_local_library(600'000, ""));
  expect(kNotLoaded);
}

// Calls a library's function four times, in two contexts by turns: it is to return 1, 2, 3 and 4.
constexpr std::string_view kContextsProgram = R"((module
  (import "env" "memory" (memory 1 16 shared))
  (import "wasix_32v1" "dlopen"
    (func $dlopen (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "dlsym" (func $dlsym (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "context_create" (func $create (param i32 i32) (result i32)))
  (import "wasix_32v1" "context_switch" (func $switch (param i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (table 2 2 funcref) (elem (i32.const 1) $other)
  (global (export "__stack_pointer") (mut i32) (i32.const 60000))
  (data (i32.const 512) "/arun")
  (type $run (func (result i32)))
  (func $call (result i32) (call_indirect (type $run) (i32.load (i32.const 68))))
  (func $other
    (loop $again
      (i32.store (i32.const 256) (call $call))
      (drop (call $switch (i64.const 0)))
      (br $again)))
  (func (export "_start")
    (if (call $create (i32.const 128) (i32.const 1)) (then unreachable))
    (if (call $dlopen (i32.const 513) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)
                      (i32.const 512) (i32.const 1) (i32.const 64)) (then unreachable))
    (if (call $dlsym (i32.load (i32.const 64)) (i32.const 514) (i32.const 3)
                     (i32.const 0) (i32.const 0) (i32.const 68)) (then unreachable))
    (if (i32.ne (call $call) (i32.const 1)) (then unreachable))
    (if (call $switch (i64.load (i32.const 128))) (then unreachable))
    (if (i32.ne (i32.load (i32.const 256)) (i32.const 2)) (then unreachable))
    (if (i32.ne (call $call) (i32.const 3)) (then unreachable))
    (if (call $switch (i64.load (i32.const 128))) (then unreachable))
    (call $exit (i32.load (i32.const 256))))))";

// Contexts of one thread: a library that one loads, and its globals, are those of all.
TEST_F(DynamicLinkerThreadsTest, Globals_OfALibraryAreThoseOfAllContexts) {
  // "run" counts in a global of the library. Main loads it when the context exists already and
  // calls it, the context calls it whenever it is switched to.
  put("a", R"((module
    (@dylink.0 (mem-info (memory 0 0) (table 0 0)))
    (import "env" "memory" (memory 1 16 shared))
    (global $count (mut i32) (i32.const 0))
    (func (export "run") (result i32)
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (global.get $count))))");
  const ExitStatus status = run(kContextsProgram);
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 4U);
}

TEST_F(DynamicLinkerThreadsTest, ContextsOfAThread_HaveItsThreadLocalVariables) {
  put("a", thread_local_library(4, R"((func (export "run") (result i32)
    (i32.store (global.get $base) (i32.add (i32.load (global.get $base)) (i32.const 1)))
    (i32.sub (i32.load (global.get $base)) (i32.const 0x41414141))))"));
  const ExitStatus status = run(kContextsProgram);
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 4U);
}

// Has a thread-local variable "own" at 4 in the block of each thread. `run` of the library /a
// returns its address: in the main thread, in one that is there before the library is loaded, in a
// context, and in a later thread. Each compares with what it is there and with dlsym.
constexpr std::string_view kThreadLocalProgram = R"((module
  (@dylink.0 (mem-info (memory 0 0) (table 0 0)) (export-info "own" tls))
  (import "env" "memory" (memory 1 16 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasix_32v1" "dlopen"
    (func $dlopen (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "dlsym" (func $dlsym (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "context_create" (func $create (param i32 i32) (result i32)))
  (import "wasix_32v1" "context_switch" (func $switch (param i64) (result i32)))
  (import "wasix_32v1" "thread_join" (func $join (param i32) (result i32)))
  (import "wasix_32v1" "futex_wait" (func $wait (param i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "futex_wake_all" (func $wake (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (table 2 2 funcref) (elem (i32.const 1) $context)
  (global (export "__stack_pointer") (mut i32) (i32.const 60000))
  (global $base (export "__tls_base") (mut i32) (i32.const 0))
  (global (export "own") i32 (i32.const 4))
  (data (i32.const 512) "/arunown")
  (type $run (func (result i32)))
  (func $begin
    (if (i32.eqz (i32.atomic.rmw.xchg (i32.const 1000) (i32.const 1)))
      (then (global.set $base (i32.const 2048)))))
  (start $begin)
  (func $check (local $own i32)
    (local.set $own (i32.add (global.get $base) (i32.const 4)))
    (if (i32.ne (call_indirect (type $run) (i32.load (i32.const 68))) (local.get $own))
      (then unreachable))
    (if (call $dlsym (i32.const 0) (i32.const 517) (i32.const 3)
                     (i32.const 0) (i32.const 0) (local.get $own)) (then unreachable))
    (if (i32.ne (i32.load (local.get $own)) (local.get $own)) (then unreachable))
    (drop (i32.atomic.rmw.add (i32.const 256) (i32.const 1))))
  (func $context
    (call $check)
    (drop (call $switch (i64.const 0))))
  (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
    (global.set $base (i32.load offset=4 (local.get $argument)))
    (drop (call $wait (i32.const 260) (i32.const 0) (i32.const 320) (i32.const 336)))
    (call $check))
  (func (export "_start") (local $before i32)
    (i32.store (i32.const 804) (i32.const 3072))
    (i32.store (i32.const 868) (i32.const 4096))
    (local.set $before (call $spawn (i32.const 800)))
    (if (call $create (i32.const 128) (i32.const 1)) (then unreachable))
    (if (call $dlopen (i32.const 513) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)
                      (i32.const 512) (i32.const 1) (i32.const 64)) (then unreachable))
    (if (call $dlsym (i32.load (i32.const 64)) (i32.const 514) (i32.const 3)
                     (i32.const 0) (i32.const 0) (i32.const 68)) (then unreachable))
    (call $check)
    (i32.atomic.store (i32.const 260) (i32.const 1))
    (drop (call $wake (i32.const 260) (i32.const 336)))
    (drop (call $join (local.get $before)))
    (if (call $switch (i64.load (i32.const 128))) (then unreachable))
    (drop (call $join (call $spawn (i32.const 864))))
    (call $exit (i32.load (i32.const 256))))))";

TEST_F(DynamicLinkerThreadsTest, ThreadLocalVariablesOfTheProgram_AreThoseOfTheThread) {
  put("a", R"((module
    (@dylink.0 (mem-info (memory 0 0) (table 0 0)))
    (import "env" "memory" (memory 1 16 shared))
    (import "GOT.mem" "own" (global $own (mut i32)))
    (func (export "run") (result i32) (global.get $own))))");
  const ExitStatus status = run(kThreadLocalProgram);
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 4U);
}

TEST_F(DynamicLinkerThreadsTest, ProgramWithAMemoryOfItsOwn_HasNoContexts) {
  const ExitStatus status = run(R"((module
  (import "wasix_32v1" "dlopen"
    (func $dlopen (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "context_create" (func $create (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (table 2 2 funcref) (elem (i32.const 1) $other)
  (func $other)
  (func (export "_start") (call $exit (call $create (i32.const 128) (i32.const 1))))))");
  EXPECT_EQ(status.code, static_cast<std::uint32_t>(Errno::kNotsup)) << status.message;
}

// An attack: a store that has several instances on one shared memory, and an access beyond it.
TEST_F(DynamicLinkerThreadsTest, AccessBeyondASharedMemory_WithAFunctionMadeAtRunTime_IsATrap) {
  for (const std::string_view address : {"0x7fffffff", "0x00100000", "-1"}) {
    const ExitStatus status = run(fmt::format(R"((module
  (import "env" "memory" (memory 1 16 shared))
  (import "wasix_32v1" "call_dynamic"
    (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))
  (table 2 funcref) (elem (i32.const 1) $called)
  (func $called (i32.store (i32.const 8) (i32.const 1)))
  (func (export "_start")
    (if (call $call (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                    (i32.const 1)) (then unreachable))
    (if (i32.eqz (i32.load (i32.const 8))) (then unreachable))
    (drop (i32.load (i32.const {})))))
)",
                                              address));
    EXPECT_EQ(status.kind, Kind::kTrapped);
    EXPECT_THAT(status.message, HasSubstr("out of bounds memory access"));
  }
}

// A program that needs /lib/a before it starts. It ends with the trace, to which it appends what
// the library's `answer` returns.
constexpr std::string_view kNeedingProgram = R"((module
  (@dylink.0 (mem-info (memory 0 0) (table 0 0)) (needed "a"))
  (import "env" "answer" (func $answer (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (table 1 1 funcref)
  (func $append (export "append") (param i32)
    (i32.store (i32.const 256)
      (i32.add (i32.mul (i32.load (i32.const 256)) (i32.const 10)) (local.get 0))))
  (func (export "open") (param i32) (result i32) unreachable)
  (func (export "__wasm_apply_data_relocs") (call $append (i32.const 7)))
  (func (export "_start")
    (call $append (call $answer))
    (call $exit (i32.load (i32.const 256))))))";

constexpr std::string_view kAnswers = R"(
  (func (export "answer") (result i32) (i32.const 4))
  (func (export "__wasm_apply_data_relocs") (call $append (i32.const 2)))
  (func (export "__wasm_call_ctors") (call $append (i32.const 3))))";

class NeedingProgramTest : public DynamicLinkerThreadsTest {
 protected:
  NeedingProgramTest() { set_program(std::string(kNeedingProgram)); }

  void expect_failure(std::string_view message) {
    const ExitStatus status = run();
    EXPECT_EQ(status.kind, Kind::kFailed);
    EXPECT_EQ(status.message, message);
  }
};

TEST_F(NeedingProgramTest, Libraries_AreThereBeforeItStarts) {
  put("lib/a", library(R"((needed "b"))", kAnswers));
  put("lib/b", appending_library(1));
  // Relocations of the library and of the program, constructors, the answer.
  expect(27134);
}

TEST_F(NeedingProgramTest, LibrariesThatUseLaterOnes_WithoutNamingThem_AreLinked) {
  put("lib/a", library(R"((needed "c" "b"))", kAnswers));
  put("lib/b", appending_library(1));
  put("lib/c", library("", R"(
    (import "env" "one" (func $one (result i32)))
    (func (export "__wasm_call_ctors") (call $append (i32.add (call $one) (i32.const 7)))))"));
  expect_failure(R"(/lib/c: the symbol "one" is not defined)");
  // Nor does anybody name "two": what comes first is what is told.
  put("lib/b", library("", R"((import "env" "two" (func)))"));
  expect_failure(R"(/lib/c: the symbol "one" is not defined)");
  put("lib/b", library("", R"((func (export "one") (result i32) (i32.const 1)))"));
  // Relocations of the library and of the program, constructors, the answer.
  expect(27834);
}

TEST_F(NeedingProgramTest, WhatIsMissing_IsNamed) {
  expect_failure("a: there is no such library, which the program needs");
  put("lib/a", library(R"((needed "b"))", kAnswers));
  expect_failure("b: there is no such library, which a needs, which the program needs");
  put("lib/b", R"((module (@dylink.0 (mem-info (memory 0 0) (table 0 0)))
                    (import "env" "nothing" (func))))");
  expect_failure(R"(/lib/b: the symbol "nothing" is not defined)");
  put("lib/b", "(module)");
  put("lib/a", library("", ""));
  expect_failure(R"(the symbol "answer" is not defined)");
  put("lib/a", library("", R"((global (export "answer") i32 (i32.const 0)))"));
  expect_failure(R"(the symbol "answer" is not a function)");
}

TEST_F(NeedingProgramTest, LibraryThatTraps_EndsIt) {
  put("lib/a", library("", R"((func (export "__wasm_call_ctors") unreachable))"));
  expect_failure(R"(the symbol "answer" is not defined)");
  put("lib/a", library("", R"((func (export "answer") (result i32) (i32.const 4))
                              (func (export "__wasm_call_ctors") unreachable))"));
  expect_trap("unreachable");
}

}  // namespace
}  // namespace selvedge::wasix
