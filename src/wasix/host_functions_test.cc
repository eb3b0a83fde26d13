// The table of imports: every function exists under its name with exactly its signature.

#include "wasix/host_functions.h"

#include <gtest/gtest.h>

#include <algorithm>
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
  return text + (has_result ? " (result i32))))" : ")))");
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

TEST(HostFunctions_Link, OtherSignature_IsRefusedNamingTheImport) {
  Machine machine;
  for (const ImportSignature& import : testing::preview1_imports()) {
    const std::string longer = std::string(import.parameters) + "i";
    for (const std::string& wat :
         {import_wat(kPreview1Module, import, longer, import.has_result),
          import_wat(kPreview1Module, import, import.parameters, !import.has_result)}) {
      const auto linked = machine.link_wat(wat);
      ASSERT_FALSE(linked) << wat;
      EXPECT_NE(linked.error().message().find(import.name), std::string::npos)
          << linked.error().message();
    }
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
