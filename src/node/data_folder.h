#pragma once

// Where a node keeps what it knows and has made. Everything in it but the store can be made again.

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace selvedge::node {

// Owned by one node at a time.
class DataFolder {
 public:
  // Makes the folder and its parts (for this user alone) when they are missing, takes it for this
  // process, and removes what an earlier one left unfinished. kOverloaded: another process has it;
  // kDenied, kInvalid, kInternal; with the path.
  // `passed`: the lock of the node that this one takes over from, if that is its folder; then
  // nothing is removed, since that node may still be using it.
  static Result<DataFolder> open(const std::filesystem::path& path, base::UniqueFd passed = {});

  std::filesystem::path store() const { return path_ / "store"; }
  std::filesystem::path store_cache() const { return path_ / "store-cache"; }
  std::filesystem::path artifacts() const { return path_ / "artifacts"; }
  std::filesystem::path uploads() const { return path_ / "uploads"; }
  std::filesystem::path logs() const { return path_ / "logs"; }
  std::filesystem::path admin_socket() const;
  int lock() const noexcept { return lock_.get(); }
  std::filesystem::path admin_certificate() const { return path_ / "admin-certificate.pem"; }
  std::filesystem::path admin_key() const { return path_ / "admin-key.pem"; }
  std::filesystem::path audit_log() const { return path_ / "audit.log"; }

 private:
  DataFolder(std::filesystem::path path, base::UniqueFd lock) noexcept
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  base::UniqueFd lock_;
};

}  // namespace selvedge::node
