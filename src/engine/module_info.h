#pragma once

// What happens to a module before it is compiled: it is inspected (is it a module that the engine
// can compile, and what does it import and export), then rewritten (see native/src/rewrite.rs).
// Pure functions on bytes; any thread; they take about 10 ms for each megabyte, so call them from a
// helper thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/module.h"

namespace selvedge::engine {

// An import and where it begins in the file.
struct InspectedImport : ImportDescription {
  std::uint64_t offset = 0;
};

struct ModuleInfo {
  std::vector<InspectedImport> imports;
  std::vector<ExportDescription> exports;

  // The import of that name; nullptr without one.
  const InspectedImport* find_import(std::string_view module, std::string_view name) const noexcept
      [[clang::lifetimebound]];
};

// Validates `wasm` for exactly the features of the engine and lists its imports and exports.
// Invalid (not Wasm, truncated, too large, malformed) or Unsupported (a component, a feature that
// the engine does not have, fork without Asyncify): one sentence with the byte offset and, where
// there is one, the fix. Whether the imports exist is not looked at. `linked`: it comes from
// prelink_module().
Result<ModuleInfo> inspect_module(base::ByteSpan wasm, bool linked = false);

// A program that is position-independent, with the addresses that it leaves to a loader, or one
// that needs libraries before it starts (native/src/prelink.rs); nullopt: `wasm`, which has passed
// inspect_module, is neither. The result is to be inspected again. Unsupported: it needs symbols
// that nothing defines.
Result<std::optional<std::vector<std::byte>>> prelink_module(base::ByteSpan wasm);

struct RewriteOptions {
  // A shared memory reserves its maximum: what it may be at most, rounded down to 64 KiB.
  std::uint64_t shared_memory_bytes_max = std::uint64_t{4} << 30;
  // The module comes from prelink_module(), which may have used reserved names.
  bool linked = false;
};

// The module in the form that is compiled; nullopt when it is that already. `wasm` has passed
// inspect_module; the result would pass the same validation. Invalid when the module uses a
// reserved name or its shared memory begins above the limit.
Result<std::optional<std::vector<std::byte>>> rewrite_module(base::ByteSpan wasm,
                                                             const RewriteOptions& options = {});

// Module name of the host functions that rewritten modules import, and the beginning of the names
// of the exports that the rewriter adds ("selvedge.memory", "selvedge.global.<index>").
inline constexpr std::string_view kRewriteHostModule = "selvedge";
inline constexpr std::string_view kRewriteExportPrefix = "selvedge.";

}  // namespace selvedge::engine
