// Inspects any bytes; what passes is linked, if it is a position-independent program or one that
// needs libraries, and rewritten, and the result must pass again with the same imports and exports
// in front of the added ones.

#include <cstdlib>
#include <span>

#include "base/assert.h"
#include "engine/module_info.h"

namespace selvedge::engine {
namespace {

// The functions that rewriting may import, and a memory.
constexpr std::size_t kAddedImportsMax = 9;

void check_same_interface(const ModuleInfo& before, const ModuleInfo& after) {
  SELVEDGE_ASSERT(after.imports.size() >= before.imports.size());
  SELVEDGE_ASSERT(after.imports.size() - before.imports.size() <= kAddedImportsMax);
  for (std::size_t i = 0; i < before.imports.size(); ++i) {
    SELVEDGE_ASSERT(after.imports[i].module == before.imports[i].module);
    SELVEDGE_ASSERT(after.imports[i].name == before.imports[i].name);
    SELVEDGE_ASSERT(after.imports[i].signature == before.imports[i].signature);
  }
  SELVEDGE_ASSERT(after.exports.size() >= before.exports.size());
  for (std::size_t i = 0; i < before.exports.size(); ++i) {
    SELVEDGE_ASSERT(after.exports[i].name == before.exports[i].name);
    SELVEDGE_ASSERT(after.exports[i].kind == before.exports[i].kind);
    SELVEDGE_ASSERT(after.exports[i].signature == before.exports[i].signature);
  }
}

void check(base::ByteSpan wasm, bool is_linked) {
  const auto before = inspect_module(wasm, is_linked);
  if (!before.has_value()) {
    SELVEDGE_ASSERT(!before.error().message().empty());
    // Not validated, so nothing is promised but an orderly answer.
    static_cast<void>(rewrite_module(wasm));
    static_cast<void>(prelink_module(wasm));
    return;
  }
  const auto linked = prelink_module(wasm);
  if (linked.has_value() && linked->has_value()) {
    SELVEDGE_ASSERT(!is_linked && inspect_module(**linked, true).has_value());
    check(**linked, true);
  }
  const auto rewritten =
      rewrite_module(wasm, {.shared_memory_bytes_max = 16 << 20, .linked = is_linked});
  if (!rewritten.has_value() || !rewritten->has_value()) {
    return;
  }
  // Rewriting leaves out what the linker wrote.
  const auto after = inspect_module(**rewritten, true);
  SELVEDGE_ASSERT(after.has_value());
  check_same_interface(*before, *after);
}

}  // namespace
}  // namespace selvedge::engine

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  selvedge::engine::check(std::as_bytes(std::span(data, size)), false);
  return 0;
}
