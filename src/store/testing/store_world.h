#pragma once

// Backends for the tests that all of them must pass.

#include <filesystem>
#include <memory>
#include <string>

#include "base/random.h"
#include "store/pause.h"
#include "store/store.h"

namespace selvedge::store::testing {

// A folder of its own for a test; removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

// Contents that several nodes share.
class StoreWorld {
 public:
  virtual ~StoreWorld() = default;
  // Another node's view of the same contents. The world outlives it.
  virtual std::unique_ptr<Store> open() = 0;
  // Replaces the bytes of a blob behind the store's back.
  virtual void damage_blob(const BlobHash& hash) = 0;
  // Puts something there that no store made, under a name that is no key.
  virtual void add_foreign_name() = 0;
};

std::unique_ptr<StoreWorld> make_directory_world();
// Each node has a cache of its own before the directory.
std::unique_ptr<StoreWorld> make_cached_world();
// nullptr where there is no S3 server. The server is shared by all worlds of the program, each has
// a bucket of its own.
std::unique_ptr<StoreWorld> make_s3_world();
// The same with the bucket in the host's name.
std::unique_ptr<StoreWorld> make_s3_virtual_host_world();

std::string text_of(const Object& object);
Key key(std::string_view text);

}  // namespace selvedge::store::testing
