// Libraries in whole programs: the order in which they begin, and what goes wrong. What compilers
// make is in tests/e2e/dylink_test.py.

#include "wasix/dynamic_linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/format.h"
#include "engine/engine.h"
#include "wasix/fs_memory.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/process_programs.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using ::testing::HasSubstr;
using testing::Machine;
using testing::TextLoader;
using Kind = ExitStatus::Kind;

// A program whose trace is a number at 256, to which everybody appends a digit. $open loads the
// library whose name has one letter, visible to all; the handle is then at 64. It ends with the
// trace, or with 200 and more when loading fails: by the errno.
constexpr std::string_view kProgram = R"((module
  (import "wasix_32v1" "dlopen"
    (func $dlopen (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "dlsym" (func $dlsym (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (table 2 2 funcref)
  (global (export "__stack_pointer") (mut i32) (i32.const 60000))
  (data (i32.const 512) "/abcdrune")
  (func $append (export "append") (param i32)
    (i32.store (i32.const 256)
      (i32.add (i32.mul (i32.load (i32.const 256)) (i32.const 10)) (local.get 0))))
  (func $open (export "open") (param $letter i32) (result i32)
    (call $dlopen (local.get $letter) (i32.const 1) (i32.const 4) (i32.const 1024) (i32.const 100)
                  (i32.const 512) (i32.const 1) (i32.const 64)))
  (type $run (func (result i32)))
  (func (export "_start") (local $error i32)
    (if (local.tee $error (call $open (i32.const 513)))
      (then (call $exit (i32.add (i32.const 200) (local.get $error)))))
    (if (i32.eqz (call $dlsym (i32.load (i32.const 64)) (i32.const 517) (i32.const 3)
                              (i32.const 0) (i32.const 0) (i32.const 68)))
      (then (call $append (call_indirect (type $run) (i32.load (i32.const 68))))))
    (call $exit (i32.load (i32.const 256))))))";

// A library; `body` has $append and $open of the program.
std::string library(std::string_view sections, std::string_view body) {
  return fmt::format(R"((module
    (@dylink.0 (mem-info (memory 0 0) (table 0 0)) {})
    (import "env" "append" (func $append (param i32)))
    (import "env" "open" (func $open (param i32) (result i32)))
    (import "wasix_32v1" "thread_sleep" (func $sleep (param i64) (result i32)))
    {}))",
                     sections, body);
}

constexpr std::string_view kSecond =
    R"((func (export "__wasm_call_ctors") (call $append (i32.const 2))))";

class DynamicLinkerTest : public ::testing::Test {
 protected:
  DynamicLinkerTest() {
    files_ = *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
  }

  void put(std::string_view name, std::string_view wat) {
    const auto wasm = engine::wat_to_wasm(wat);
    ASSERT_TRUE(wasm.has_value()) << wasm.error().message();
    const auto root = files_->open_root();
    for (std::size_t slash = name.find('/'); slash != name.npos;
         slash = name.find('/', slash + 1)) {
      static_cast<void>(root->make_directory(name.substr(0, slash)));  // it may exist
    }
    auto opened = root->open(name, {.oflags = Oflags::kCreat | Oflags::kTrunc, .write = true});
    ASSERT_TRUE(opened.has_value());
    const base::ByteSpan bytes(*wasm);
    ASSERT_TRUE(std::get<std::shared_ptr<File>>(*opened)->write(std::span(&bytes, 1)).has_value());
  }

  ExitStatus run() { return run(program_); }
  ExitStatus run(std::string_view program) {
    ProcessOptions options;
    options.preopens.push_back({.guest_path = "/", .directory = files_->open_root()});
    options.workload =
        std::make_shared<Workload>(machine_.reactor(), WorkloadOptions{.loader = &loader_});
    options.limits.instance.memory_bytes_max = 1 << 20;
    auto linked = machine_.link_wat(program);
    if (!linked) {
      return {.kind = Kind::kFailed, .message = linked.error().message()};
    }
    return machine_.run(*linked, std::move(options));
  }

  // The trace, or what dlopen returned plus 200.
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

  Machine machine_;
  TextLoader loader_{machine_};
  std::shared_ptr<MemoryFileSystem> files_;
  std::string program_{kProgram};
};

// The same program with a memory that threads can share.
std::string program_of_threads() {
  constexpr std::string_view kOwn = R"((memory (export "memory") 1))";
  std::string program(kProgram);
  const std::string import = R"((import "env" "memory" (memory 1 64 shared)))";
  program.replace(program.find(kOwn), kOwn.size(), R"((export "memory" (memory 0)))");
  program.insert(program.find("(import"), import);
  return program;
}

// A library with `size` bytes of thread-local variables, as wasm-ld lays them out; `more` has
// $base, where they are.
std::string thread_local_library(std::size_t size, std::string_view more) {
  return fmt::format(R"((module
    (@dylink.0 (mem-info (memory {0} 0) (table 0 0)) (export-info "own" tls))
    (import "env" "memory" (memory 1 64 shared))
    (import "env" "__memory_base" (global $memory i32))
    (global $base (mut i32) (i32.const 0))
    (global (export "own") i32 (i32.const 0))
    (func $start
      (global.set $base (global.get $memory))
      (memory.init 0 (global.get $memory) (i32.const 0) (i32.const {0})))
    (start $start)
    {1}
    (data "{2}")))",
                     size, more, std::string(size, 'A'));
}

constexpr std::uint32_t kNotLoaded = 200 + static_cast<std::uint32_t>(Errno::kNoexec);

TEST_F(DynamicLinkerTest, NeededLibraries_BeginFirst_ConstructorsAfterAllRelocations) {
  put("a", library(R"((needed "b"))", R"(
    (func $start (call $append (i32.const 3)))
    (func (export "__wasm_call_ctors") (call $append (i32.const 5)))
    (func (export "__wasm_apply_data_relocs") (call $append (i32.const 4)))
    (func (export "run") (result i32) (i32.const 6))
    (start $start))"));
  put("b", library("", R"(
    (func $start (call $append (i32.const 1)))
    (func (export "__wasm_call_ctors") (call $append (i32.const 2)))
    (start $start))"));
  expect(134256);
}

TEST_F(DynamicLinkerTest, LibrariesThatNeedEachOther_BeginOnce) {
  put("a", library(R"((needed "b" "c"))", ""));
  put("b", library(R"((needed "c" "a"))", kSecond));
  put("c",
      library(R"((needed "a"))", R"((func (export "_initialize") (call $append (i32.const 7))))"));
  expect(72);
}

TEST_F(DynamicLinkerTest, LibraryWhoseConstructorLoadsOneThatNeedsIt_BeginsOnce) {
  put("a", library("", R"((func (export "__wasm_call_ctors")
    (call $append (i32.const 1))
    (drop (call $open (i32.const 514)))
    (call $append (i32.const 3))))"));
  put("b", library(R"((needed "a"))", kSecond));
  expect(123);
}

TEST_F(DynamicLinkerTest, LibraryThatIsToBeginLater_BeginsWhenAConstructorLoadsIt) {
  put("a", library(R"((needed "c" "b"))", ""));
  put("b", library("", kSecond));
  put("c", library("", R"((func (export "__wasm_call_ctors")
    (call $append (i32.const 1))
    (drop (call $open (i32.const 514)))
    (call $append (i32.const 3))))"));
  expect(123);
}

TEST_F(DynamicLinkerTest, LibrariesThatFailed_DoNotCount) {
  // b needs what nobody defines, c what is no library, d both: each is tried as often as there may
  // be libraries. Then e loads.
  put("a", library("", fmt::format(R"((func (export "__wasm_call_ctors") (local $left i32)
    (local.set $left (i32.const {}))
    (loop
      (if (i32.eqz (call $open (i32.const 514))) (then unreachable))
      (if (i32.eqz (call $open (i32.const 515))) (then unreachable))
      (if (i32.eqz (call $open (i32.const 516))) (then unreachable))
      (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (if (i32.eqz (call $open (i32.const 520))) (then (call $append (i32.const 1))))))",
                                   DynamicLinker::kLibrariesMax)));
  put("b", R"((module (@dylink.0 (mem-info (memory 5000 0) (table 5000 0)))
                (import "env" "nothing" (func))))");
  put("c", library(R"((needed "d" "program"))", ""));
  put("d", library(R"((needed "b"))", ""));
  put("program", "(module)");
  put("e", library("", ""));
  expect(1);
}

TEST_F(DynamicLinkerTest, LibraryThatFailed_LoadsWhenItsCauseIsGone) {
  put("a", library("", R"((func (export "__wasm_call_ctors")
    (if (i32.eqz (call $open (i32.const 514))) (then unreachable))
    (drop (call $open (i32.const 515)))
    (if (i32.eqz (call $open (i32.const 514))) (then (call $append (i32.const 4))))))"));
  put("b", R"((module (@dylink.0 (mem-info (memory 0 0) (table 0 0)))
    (import "env" "third" (func $third))
    (func (export "__wasm_call_ctors") (call $third))))");
  put("c", R"((module (@dylink.0 (mem-info (memory 0 0) (table 0 0)))
    (import "env" "append" (func $append (param i32)))
    (func (export "third") (call $append (i32.const 3)))))");
  expect(34);
}

TEST_F(DynamicLinkerTest, Constructor_MayWaitAndLoadAnother) {
  put("a", library("", R"((func (export "__wasm_call_ctors")
    (drop (call $sleep (i64.const 1000)))
    (call $append (i32.const 1))
    (if (call $open (i32.const 514)) (then (call $append (i32.const 9))))
    (drop (call $open (i32.const 516)))  ;; there is none
    (call $append (i32.const 3))))"));
  put("b", library("", kSecond));
  expect(123);
}

TEST_F(DynamicLinkerTest, UndefinedSymbols_AreErrors) {
  for (const std::string_view import :
       {R"((import "env" "nothing" (func)))", R"((import "GOT.mem" "nothing" (global (mut i32))))",
        R"((import "GOT.func" "nothing" (global (mut i32))))",
        R"((import "env" "append" (func (param i64))))",
        R"((import "env" "nothing" (global i32)))"}) {
    put("a", fmt::format("(module (@dylink.0 (mem-info (memory 0 0) (table 0 0))) {})", import));
    expect(kNotLoaded);
  }
}

TEST_F(DynamicLinkerTest, FilesThatAreNoLibraries_AreErrors) {
  expect(200 + static_cast<std::uint32_t>(Errno::kNoent));
  put("a", "(module)");
  expect(kNotLoaded);
  put("a", library(R"((needed "d"))", ""));
  expect(200 + static_cast<std::uint32_t>(Errno::kNoent));
  put("a", R"((module (@dylink.0 (mem-info (memory 0 0) (table 0 0)))
                (import "selvedge" "next_initializer" (func (result i32)))))");
  expect(kNotLoaded);
  put("a", R"((module (@dylink.0 (mem-info (memory 0 0) (table 0 0)))
                (import "wasix_32v1" "call_dynamic"
                  (func (param i32 i32 i32 i32 i32 i32) (result i32)))))");
  expect(kNotLoaded);
}

TEST_F(DynamicLinkerTest, MoreMemoryOrElementsThanAllowed_IsAnError) {
  put("a", "(module (@dylink.0 (mem-info (memory 1000000 0) (table 0 0))))");
  expect(kNotLoaded);
  put("a", "(module (@dylink.0 (mem-info (memory 0 0) (table 1000000000 0))))");
  expect(kNotLoaded);
}

TEST_F(DynamicLinkerTest, ThreadLocalVariables_AreInTheDataOfTheThreadThatLoads) {
  program_ = program_of_threads();
  put("a", thread_local_library(4, R"((func (export "run") (result i32)
    (i32.add (i32.load8_u (global.get $base))
             (i32.ne (global.get $base) (global.get $memory)))))"));
  expect('A');
}

TEST_F(DynamicLinkerTest, ThreadLocalVariablesThatNothingPrepares_AreAnError) {
  program_ = program_of_threads();
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

TEST_F(DynamicLinkerTest, ThreadLocalVariablesForWhichThereIsNoMemory_AreAnError) {
  program_ = program_of_threads();
  // The program has 1 MiB: it is enough for the library, and not for what a new thread begins with.
  put("a", thread_local_library(600'000, ""));
  expect(kNotLoaded);
}

TEST_F(DynamicLinkerTest, StartFunctionThatFails_EndsTheProgram) {
  put("a", library("", "(func $start unreachable) (start $start)"));
  expect_trap("unreachable");
  put("a", library("", "(func $start (loop (br 0))) (start $start)"));
  expect_trap("must not be interrupted");
  put("a", library("", "(func $start (drop (call $sleep (i64.const 1000)))) (start $start)"));
  expect_trap("waits");
  put("a", library("", R"((func (export "__wasm_call_ctors") unreachable))"));
  expect_trap("unreachable");
}

// A library of one constructor, which appends `digit`.
std::string appending(int digit, std::string_view sections = "") {
  return library(sections, fmt::format(R"((func (export "__wasm_call_ctors")
                                         (call $append (i32.const {}))))",
                                       digit));
}

TEST_F(DynamicLinkerTest, NeededLibraries_AreLookedForInTheSearchPathThenTheRunPathThenBeside) {
  // The program's search path is "/".
  put("a", appending(9, R"((needed "sub/a.so"))"));
  put("sub/a.so", appending(1, R"((needed "x" "y" "z" "b" "w")
    (runtime-path "/nothing" "$ORIGIN/lib:/more/y" "${ORIGIN}" "$ORIGINAL" "relative"))"));
  put("sub/lib/x", appending(2));
  put("sub/x", appending(8));
  put("more/y/y", appending(3));
  put("relative/z", appending(4, R"((needed "v" "u"))"));
  put("relative/v", appending(5));  // it has no run path of its own, nor that of what needs it
  put("sub/v", appending(8));
  put("lib/u", appending(6));
  put("b", appending(7));
  put("sub/b", appending(8));
  put("usr/lib/w", appending(8));
  expect(235'647'819);
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

class NeedingProgramTest : public DynamicLinkerTest {
 protected:
  NeedingProgramTest() { program_ = kNeedingProgram; }

  void expect_failure(std::string_view message) {
    const ExitStatus status = run();
    EXPECT_EQ(status.kind, Kind::kFailed);
    EXPECT_EQ(status.message, message);
  }
};

TEST_F(NeedingProgramTest, Libraries_AreThereBeforeItStarts) {
  put("lib/a", library(R"((needed "b"))", kAnswers));
  put("lib/b", appending(1));
  // Relocations of the library and of the program, constructors, the answer.
  expect(27134);
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

TEST_F(DynamicLinkerTest, TooManyLibraries_AreAnError) {
  // Each needs the next one: a chain that is too long.
  put("a", library(R"((needed "0"))", ""));
  for (std::size_t number = 0; number <= DynamicLinker::kDepthMax; ++number) {
    put(std::to_string(number), library(fmt::format("(needed \"{}\")", number + 1), ""));
  }
  expect(200 + static_cast<std::uint32_t>(Errno::kNomem));
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
TEST_F(DynamicLinkerTest, Globals_OfALibraryAreThoseOfAllContexts) {
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

TEST_F(DynamicLinkerTest, ContextsOfAThread_HaveItsThreadLocalVariables) {
  put("a", thread_local_library(4, R"((func (export "run") (result i32)
    (i32.store (global.get $base) (i32.add (i32.load (global.get $base)) (i32.const 1)))
    (i32.sub (i32.load (global.get $base)) (i32.const 0x41414141))))"));
  const ExitStatus status = run(kContextsProgram);
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 4U);
}

TEST_F(DynamicLinkerTest, ProgramWithAMemoryOfItsOwn_HasNoContexts) {
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
TEST_F(DynamicLinkerTest, AccessBeyondASharedMemory_WithAFunctionMadeAtRunTime_IsATrap) {
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

}  // namespace
}  // namespace selvedge::wasix
