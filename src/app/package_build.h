#pragma once

// A .webc package (version 3) from a folder with wasmer.toml, or from one module. The same files
// make the same bytes, wherever and whenever it is built.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"

namespace selvedge::app {

struct BuiltPackage {
  std::string name;     // "owner/name"; empty for an unnamed package
  std::string version;  // may be empty
  std::vector<std::byte> bytes;
  std::vector<std::string> warnings;
};

// The folder's README and LICENSE, or what the manifest names instead, go with it. `runner`: of the
// one command of a bare module. Errors as open_package() and pack_folder(). Blocks, and holds
// everything in memory.
Result<BuiltPackage> build_package(std::string_view target, RunnerKind runner = RunnerKind::kWasi);

}  // namespace selvedge::app
