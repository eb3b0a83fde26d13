#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include <native.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/module.h"

namespace selvedge::engine {

// Compiled modules on disk. An artifact is native code: a file is only ever handed to the engine
// after its tag (keyed BLAKE3 over its name, size and bytes) was found right, so what this user's
// key did not make is never executed. Files are written whole under another name and then renamed.
// A file that is damaged or foreign is treated as absent. Any thread, and any number of processes.
class ArtifactCache {
 public:
  using Key = std::array<std::byte, 32>;
  // Identifies an artifact: the module, how it was rewritten, and what it was compiled for.
  using ArtifactId = std::array<std::byte, 32>;

  // Creates the folder (0700) when it is missing; refuses one that others may write. Removes what
  // killed processes left unfinished. Without `key`,
  // reads the key file in it, or makes one (0600) from `random`. `bytes_max`: oldest artifacts are
  // removed beyond it.
  static Result<std::unique_ptr<ArtifactCache>> open(std::filesystem::path folder,
                                                     std::optional<Key> key, base::Random* random,
                                                     std::uint64_t bytes_max);

  // The artifact's file, open and verified, ready to be mapped; nullopt when there is none that is
  // whole and ours.
  std::optional<base::UniqueFd> find(const ArtifactId& id) const;
  // Keeps an artifact.
  Result<> store(const ArtifactId& id, base::ByteSpan artifact) const;
  // Takes away an artifact that proved useless.
  void remove(const ArtifactId& id) const noexcept;

  std::filesystem::path path_of(const ArtifactId& id) const;

 private:
  ArtifactCache(std::filesystem::path folder, const Key& key, std::uint64_t bytes_max) noexcept
      : folder_(std::move(folder)), key_(key), bytes_max_(bytes_max) {}

  std::array<std::byte, 32> tag_of(const ArtifactId& id, base::ByteSpan artifact) const;
  void trim() const;

  std::filesystem::path folder_;
  Key key_;
  std::uint64_t bytes_max_;
};

}  // namespace selvedge::engine
