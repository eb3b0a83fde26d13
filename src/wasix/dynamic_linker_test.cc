// Libraries in whole programs: the order in which they begin, and what goes wrong. What compilers
// make is in tests/e2e/dylink_test.py.

#include "wasix/dynamic_linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/format.h"
#include "wasix/testing/library_programs.h"

namespace selvedge::wasix {
namespace {

using testing::appending_library;
using ::testing::HasSubstr;
using testing::kNotLoaded;
using testing::library;
using Kind = ExitStatus::Kind;

constexpr std::string_view kSecond =
    R"((func (export "__wasm_call_ctors") (call $append (i32.const 2))))";

class DynamicLinkerTest : public ::testing::Test, protected testing::LibraryWorld {
 protected:
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
};

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

// As the linker makes inline functions: imported, for the program's definition comes first, and
// exported.
TEST_F(DynamicLinkerTest, FunctionOfItsOwnThatALibraryImports_IsThatOfTheScopeOrItsOwn) {
  const std::string own = R"(
    (import "env" "inline" (func $inline (param i32 i64) (result i32)))
    (import "GOT.func" "inline" (global $pointer (mut i32)))
    (import "env" "__indirect_function_table" (table 0 funcref))
    (type $inline (func (param i32 i64) (result i32)))
    (func (export "inline") (param i32 i64) (result i32)
      (i32.add (local.get 0) (i32.wrap_i64 (local.get 1))))
    (func $start (call $append (call $inline (i32.const 1) (i64.const 1))))
    (func (export "__wasm_call_ctors")
      (call $append (call_indirect (type $inline) (i32.const 1) (i64.const 2)
                                   (global.get $pointer)))
      (call $append (call $inline (i32.const 2) (i64.const 2))))
    (start $start))";
  put("a", library("", own));
  expect(234);
  put("a", library(R"((needed "b"))", own));
  put("b", library("", R"((func (export "inline") (param i32 i64) (result i32)
                            (i32.add (local.get 0) (i32.const 5))))"));
  expect(667);
  // Another type is another function.
  put("a", library("", R"((import "env" "other" (func (param i32)))
                          (func (export "other") (param i64)))"));
  expect(kNotLoaded);
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

TEST_F(DynamicLinkerTest, NeededLibraries_AreLookedForInTheSearchPathThenTheRunPathThenBeside) {
  // The program's search path is "/".
  put("a", appending_library(9, R"((needed "sub/a.so"))"));
  put("sub/a.so", appending_library(1, R"((needed "x" "y" "z" "b" "w")
    (runtime-path "/nothing" "$ORIGIN/lib:/more/y" "${ORIGIN}" "$ORIGINAL" "relative"))"));
  put("sub/lib/x", appending_library(2));
  put("sub/x", appending_library(8));
  put("more/y/y", appending_library(3));
  put("relative/z", appending_library(4, R"((needed "v" "u"))"));
  put("relative/v",
      appending_library(5));  // it has no run path of its own, nor that of what needs it
  put("sub/v", appending_library(8));
  put("lib/u", appending_library(6));
  put("b", appending_library(7));
  put("sub/b", appending_library(8));
  put("usr/lib/w", appending_library(8));
  expect(235'647'819);
}

TEST_F(DynamicLinkerTest, TooManyLibraries_AreAnError) {
  // Each needs the next one: a chain that is too long.
  put("a", library(R"((needed "0"))", ""));
  for (std::size_t number = 0; number <= DynamicLinker::kDepthMax; ++number) {
    put(std::to_string(number), library(fmt::format("(needed \"{}\")", number + 1), ""));
  }
  expect(200 + static_cast<std::uint32_t>(Errno::kNomem));
}

}  // namespace
}  // namespace selvedge::wasix
