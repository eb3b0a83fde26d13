// wasmer.toml of a package from anywhere, and a file of annotations that it may name: every mistake
// is reported with the file's name, and what is understood refers to nothing that is missing.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "app/manifest.h"
#include "base/assert.h"
#include "base/bytes.h"

// The manifest; after the first NUL, which no manifest holds, what any file of annotations holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using selvedge::app::kManifestCommandsMax;
  using selvedge::app::kManifestModulesMax;
  using selvedge::app::normalise_guest_path;
  using selvedge::app::parse_manifest;
  const std::string_view text = selvedge::base::as_text(std::as_bytes(std::span(data, size)));
  const std::size_t end = text.find('\0');
  const std::string annotations(end == std::string_view::npos ? "" : text.substr(end + 1));
  std::string last;
  const auto manifest =
      parse_manifest(text.substr(0, end), "wasmer.toml",
                     [&](const std::string& path) -> selvedge::Result<std::string> {
                       last = path;
                       return annotations;
                     });
  if (!manifest) {
    SELVEDGE_ASSERT(manifest.error().message().starts_with("wasmer.toml:") ||
                    (!last.empty() && manifest.error().message().starts_with(last + ":")));
    return 0;
  }
  SELVEDGE_ASSERT(manifest->modules.size() <= kManifestModulesMax);
  SELVEDGE_ASSERT(manifest->commands.size() <= kManifestCommandsMax);
  for (const auto& mount : manifest->mounts) {
    const auto normalised = normalise_guest_path(mount.guest);
    SELVEDGE_ASSERT(normalised.has_value() && *normalised == mount.guest);
  }
  return 0;
}
