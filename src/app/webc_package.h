#pragma once

// A .webc file as it comes from anywhere: read whole, every checksum verified, and turned into what
// can be run. Its files stay where they are in the bytes that were read.

#include <memory>
#include <string>

#include "app/package.h"
#include "app/webc_manifest.h"
#include "base/result.h"
#include "wire/webc_reader.h"

namespace selvedge::app {

// Larger packages are refused before they are read.
inline constexpr std::size_t kWebcFileBytesMax = std::size_t{2} << 30;

// Immutable; any thread.
struct WebcFileContents {
  std::string bytes;  // `package` points into it
  wire::WebcPackage package;
  WebcManifest manifest;
};

// Blocks. Errors begin with the path; Invalid when it is damaged or says what cannot be.
Result<std::shared_ptr<const WebcFileContents>> read_webc_file(const std::string& path);
// The same for bytes that are in memory; `name` begins errors.
Result<std::shared_ptr<const WebcFileContents>> open_webc_bytes(std::string bytes,
                                                                const std::string& name);

// The dependency as wasmer.toml would say it. Unsupported: it is named by a URL.
Result<ManifestDependency> webc_dependency(const WebcDependency& dependency);

// The folder that a mount of the package's own names; the whole volume without one.
Result<const wire::WebcNode*> webc_mounted_folder(const WebcFileContents& webc
                                                  [[clang::lifetimebound]],
                                                  const WebcMount& mount);

// Its commands and folders hold on to `webc`. Commands whose runner there is not here are left out,
// with a warning. `name`: for messages, when the package has none.
Result<Package> package_of_webc(std::shared_ptr<const WebcFileContents> webc,
                                const std::string& name);

}  // namespace selvedge::app
