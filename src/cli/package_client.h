#pragma once

// `package publish`, `pull`, `list` and `info`, and whatever else takes packages from a node.

#include <string>

#include "app/package.h"
#include "app/package_source.h"
#include "base/result.h"
#include "cli/admin_client.h"
#include "cli/package_options.h"
#include "cli/status_line.h"

namespace selvedge::cli {

Result<> publish_package(const PackageAction& action);
Result<> pull_package(const PackageAction& action);
Result<> list_packages(const PackageAction& action);
Result<> describe_package(const PackageAction& action);
// Makes a key to sign with; prints the public one.
Result<> make_publisher_key(const PackageAction& action);

// Sends the blobs that the node does not have.
Result<> upload_blobs(AdminClient& client, const app::PackageSource& package, StatusLine& status);

// A package of the store of the node at `socket`, or one of this machine whose dependencies are
// there, ready to run.
Result<app::Package> fetch_package(const std::filesystem::path& socket,
                                   const std::string& reference);
Result<app::Package> complete_package(const std::filesystem::path& socket,
                                      const std::string& target);

}  // namespace selvedge::cli
