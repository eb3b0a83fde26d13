// The table of imports: every function exists under its name with exactly its signature.

#include "wasix/host_functions.h"

#include <gtest/gtest.h>

#include <string>

#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::ImportSignature;
using testing::Machine;

std::string import_wat(std::string_view module, const ImportSignature& import,
                       std::string_view parameters, bool has_result) {
  std::string text =
      "(module (import \"" + std::string(module) + "\" \"" + std::string(import.name) + "\" (func";
  for (const char letter : parameters) {
    text += letter == 'I' ? " (param i64)" : " (param i32)";
  }
  text += has_result ? " (result i32)))" : "))";
  // What the functions that save the caller's stack need.
  return text + R"((func (export "asyncify_start_unwind") (param i32))
    (func (export "asyncify_stop_unwind")) (func (export "asyncify_start_rewind") (param i32))
    (func (export "asyncify_stop_rewind"))
    (func (export "asyncify_get_state") (result i32) (i32.const 0))))";
}

TEST(HostFunctions_Preview1, AllImports_LinkWithExactSignatures) {
  Machine machine;
  EXPECT_EQ(testing::preview1_imports().size(), 46U);
  const auto linked =
      machine.link_wat(testing::trampoline_wat(kPreview1Module, testing::preview1_imports()));
  EXPECT_TRUE(linked) << linked.error().message();
}

TEST(HostFunctions_Snapshot0, AllImports_LinkWithExactSignatures) {
  Machine machine;
  EXPECT_EQ(testing::snapshot0_imports().size(), 45U);
  const auto linked =
      machine.link_wat(testing::trampoline_wat(kSnapshot0Module, testing::snapshot0_imports()));
  EXPECT_TRUE(linked) << linked.error().message();
}

TEST(HostFunctions_Wasix, AllImports_LinkWithExactSignatures) {
  Machine machine;
  EXPECT_EQ(testing::wasix_imports().size(), 97U);
  for (const ImportSignature& import : testing::wasix_imports()) {
    const auto linked =
        machine.link_wat(import_wat(kWasixModule, import, import.parameters, import.has_result));
    EXPECT_TRUE(linked) << linked.error().message();
  }
}

TEST(HostFunctions_Wasix, Preview1Names_AreOfferedTooSockAcceptWithFourParameters) {
  Machine machine;
  for (const ImportSignature& import : testing::preview1_imports()) {
    const auto linked =
        machine.link_wat(import_wat(kWasixModule, import, import.parameters, import.has_result));
    EXPECT_EQ(linked.has_value(), import.name != "sock_accept") << import.name;
  }
  EXPECT_TRUE(machine.link_wat(import_wat(kWasixModule, {.name = "sock_accept"}, "iiii", true)));
}

TEST(HostFunctions_Link, OtherSignature_IsRefusedNamingTheImport) {
  Machine machine;
  const auto expect_refused = [&machine](std::string_view module, const ImportSignature& import) {
    const std::string longer = std::string(import.parameters) + "i";
    for (const std::string& wat :
         {import_wat(module, import, longer, import.has_result),
          import_wat(module, import, import.parameters, !import.has_result)}) {
      const auto linked = machine.link_wat(wat);
      ASSERT_FALSE(linked) << wat;
      EXPECT_NE(linked.error().message().find(import.name), std::string::npos)
          << linked.error().message();
    }
  };
  for (const ImportSignature& import : testing::preview1_imports()) {
    expect_refused(kPreview1Module, import);
  }
  for (const ImportSignature& import : testing::wasix_imports()) {
    expect_refused(kWasixModule, import);
  }
}

TEST(HostFunctions_Link, Snapshot0HasNoSockAccept) {
  Machine machine;
  EXPECT_FALSE(
      machine.link_wat(import_wat(kSnapshot0Module, {.name = "sock_accept"}, "iii", true)));
  EXPECT_FALSE(machine.link_wat(import_wat(kPreview1Module, {.name = "fd_nothing"}, "i", true)));
}

}  // namespace
}  // namespace selvedge::wasix
