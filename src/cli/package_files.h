#pragma once

// `package build` and `package inspect`: what needs no node.

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "cli/package_options.h"

namespace selvedge::cli {

Result<> build_package_file(const PackageAction& action);
Result<> inspect_package_file(const PackageAction& action);

// "owner-name-1.2.0.webc"; `name` may be empty.
std::string package_file_name(const std::string& name, const std::string& version);
// Replaces the file in one step: whatever happens, what is there is whole.
Result<> write_whole_file(const std::string& path, base::ByteSpan bytes);
// A new file that nobody else may read. kConflict when there is one.
Result<> write_secret_file(const std::string& path, base::ByteSpan bytes);

}  // namespace selvedge::cli
