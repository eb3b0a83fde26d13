#include "engine/module_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

namespace selvedge::engine {
namespace {

using base::as_bytes;
using namespace std::string_view_literals;
using testing::HasSubstr;

// (module (import "env" "log" (func (param i32))) (memory 1)
//   (global (mut i32) (i32.const 1)) (export "run" (func 0)))
constexpr std::string_view kModule =
    "\0asm\1\0\0\0"
    "\1\5\1\x60\1\x7f\0"
    "\2\13\1\3env\3log\0\0"
    "\5\3\1\0\1"
    "\6\6\1\x7f\1\x41\1\13"
    "\7\7\1\3run\0\0"sv;

TEST(InspectModule, ValidModule_ListsImportsAndExports) {
  const auto info = inspect_module(as_bytes(kModule));
  ASSERT_TRUE(info.has_value()) << info.error().message();
  ASSERT_EQ(info->imports.size(), 1u);
  const InspectedImport& import = info->imports[0];
  EXPECT_EQ(import.module, "env");
  EXPECT_EQ(import.name, "log");
  EXPECT_EQ(import.kind, ExternKind::kFunction);
  EXPECT_EQ(import.signature, "i:");
  EXPECT_EQ(kModule.substr(import.offset, 8), "\3env\3log");
  ASSERT_EQ(info->exports.size(), 1u);
  EXPECT_EQ(info->exports[0].name, "run");
  EXPECT_EQ(info->exports[0].signature, "i:");
  EXPECT_EQ(info->find_import("env", "log"), &import);
  EXPECT_EQ(info->find_import("env", "run"), nullptr);
}

TEST(InspectModule, EveryPrefix_IsRefusedOrSmaller) {
  for (std::size_t size = 0; size < kModule.size(); ++size) {
    const auto info = inspect_module(as_bytes(kModule.substr(0, size)));
    if (info.has_value()) {
      EXPECT_TRUE(info->exports.empty()) << size;
      continue;
    }
    EXPECT_EQ(info.error().kind(), ErrorKind::kInvalid) << size;
  }
}

TEST(InspectModule, OtherFiles_AreNamedInOneSentence) {
  struct Case {
    std::string_view bytes;
    ErrorKind kind;
    std::string_view part;
  };
  for (const Case& test :
       {Case{"", ErrorKind::kInvalid, "empty"}, Case{"\x7f\x45LF", ErrorKind::kInvalid, "ELF"},
        Case{"(module)", ErrorKind::kInvalid, "WebAssembly text"},
        Case{"\0asm\xd\0\1\0"sv, ErrorKind::kUnsupported, "component"},
        Case{"\0asm"sv, ErrorKind::kInvalid, "truncated"}}) {
    const auto info = inspect_module(as_bytes(test.bytes));
    ASSERT_FALSE(info.has_value()) << test.part;
    EXPECT_EQ(info.error().kind(), test.kind) << info.error().message();
    EXPECT_THAT(info.error().message(), HasSubstr(test.part));
  }
}

TEST(RewriteModule, MutableGlobal_IsExported) {
  const auto rewritten = rewrite_module(as_bytes(kModule));
  ASSERT_TRUE(rewritten.has_value()) << rewritten.error().message();
  ASSERT_TRUE(rewritten->has_value());
  const auto info = inspect_module(**rewritten);
  ASSERT_TRUE(info.has_value()) << info.error().message();
  ASSERT_EQ(info->exports.size(), 2u);
  EXPECT_EQ(info->exports[1].name, "selvedge.global.0");
  EXPECT_EQ(info->exports[1].kind, ExternKind::kGlobal);
}

TEST(RewriteModule, NothingToChange_GivesNothing) {
  const auto rewritten = rewrite_module(as_bytes("\0asm\1\0\0\0"sv));
  ASSERT_TRUE(rewritten.has_value()) << rewritten.error().message();
  EXPECT_FALSE(rewritten->has_value());
}

TEST(RewriteModule, SharedMemoryAboveLimit_IsRefused) {
  // (module (memory 2 2 shared))
  constexpr std::string_view kShared = "\0asm\1\0\0\0\5\4\1\3\2\2"sv;
  const auto rewritten = rewrite_module(as_bytes(kShared), {.shared_memory_bytes_max = 64 << 10});
  ASSERT_FALSE(rewritten.has_value());
  EXPECT_EQ(rewritten.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(rewritten.error().message(), HasSubstr("2 pages"));
}

TEST(RewriteModule, TwiceApplied_IsRefused) {
  const auto rewritten = rewrite_module(as_bytes(kModule));
  ASSERT_TRUE(rewritten.has_value() && rewritten->has_value());
  EXPECT_FALSE(rewrite_module(**rewritten).has_value());
}

}  // namespace
}  // namespace selvedge::engine
