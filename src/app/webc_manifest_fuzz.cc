// Manifests from strangers: what is understood is written so that it means the same.

#include <cstdint>
#include <span>

#include "app/webc_manifest.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using selvedge::app::build_webc_manifest;
  using selvedge::app::parse_webc_manifest;
  const auto manifest = parse_webc_manifest(std::as_bytes(std::span(data, size)));
  if (!manifest) {
    return 0;
  }
  const auto written = build_webc_manifest(*manifest);
  // Keys that were not written may be, so that it can outgrow a limit.
  const auto again = parse_webc_manifest(written);
  if (!again) {
    SELVEDGE_ASSERT(size > 10'000 || !manifest->unknown.empty());
    return 0;
  }
  SELVEDGE_ASSERT(again->name == manifest->name);
  SELVEDGE_ASSERT(again->atoms == manifest->atoms);
  SELVEDGE_ASSERT(again->commands == manifest->commands);
  SELVEDGE_ASSERT(again->mounts == manifest->mounts);
  SELVEDGE_ASSERT(again->dependencies == manifest->dependencies);
  SELVEDGE_ASSERT(again->entrypoint == manifest->entrypoint);
  return 0;
}
