#pragma once

// The cluster's secret: 32 random bytes in a file that every node of a cluster has, and nobody
// else. Secrets of apps are sealed under a key derived from it.

#include <filesystem>
#include <optional>

#include "base/random.h"
#include "base/result.h"
#include "crypto/secret_key.h"

namespace selvedge::node {

// Where a node of this data folder has it, unless it was told otherwise.
std::filesystem::path cluster_secret_of(const std::filesystem::path& data_folder);

// nullopt: there is no such file. Denied when others than its owner may read it, Invalid when it
// is not 32 bytes; with the path.
Result<std::optional<crypto::SecretKey>> read_cluster_secret(const std::filesystem::path& path);

// A new one, for its owner alone (0600), durably. Conflict when the file exists: then nothing is
// changed. `random` must be fit for secrets.
Result<> create_cluster_secret(const std::filesystem::path& path, base::Random& random);

// Where a node looks for it.
struct ClusterSecretPlace {
  // The file that was named; without one, that of the data folder, if it is there.
  std::optional<std::filesystem::path> file;
  std::filesystem::path data_folder;
  bool make = false;  // one in the data folder, when there is none
};
// nullopt: none was named, and there is none. NotFound: the named one is not there.
Result<std::optional<crypto::SecretKey>> open_cluster_secret(const ClusterSecretPlace& place,
                                                             base::Random& random);

}  // namespace selvedge::node
