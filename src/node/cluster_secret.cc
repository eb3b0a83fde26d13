#include "node/cluster_secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/errno_error.h"
#include "base/format.h"
#include "base/unique_fd.h"

namespace selvedge::node {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

}  // namespace

fs::path cluster_secret_of(const fs::path& data_folder) { return data_folder / "cluster-secret"; }

Result<std::optional<crypto::SecretKey>> read_cluster_secret(const fs::path& path) {
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file && errno == ENOENT) {
    return std::optional<crypto::SecretKey>();
  }
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) {
    return fail(base::errno_error(errno, path.string()));
  }
  if (S_ISREG(status.st_mode) && (status.st_mode & kOthers) != 0) {
    return fail_format(ErrorKind::kDenied,
                       "{}: others than its owner may use this file, which holds the cluster's "
                       "secret: chmod 600 it",
                       path.string());
  }
  // One byte more than there may be.
  std::array<std::byte, crypto::SecretKey::kSize + 1> bytes{};
  const ssize_t count = ::read(file.get(), bytes.data(), bytes.size());
  if (!S_ISREG(status.st_mode) || count != crypto::SecretKey::kSize) {
    return fail_format(ErrorKind::kInvalid, "{}: not a cluster's secret of {} bytes", path.string(),
                       crypto::SecretKey::kSize);
  }
  std::optional<crypto::SecretKey> made(
      crypto::SecretKey(std::span(bytes).first<crypto::SecretKey::kSize>()));
  ::explicit_bzero(bytes.data(), bytes.size());
  return made;
}

Result<> create_cluster_secret(const fs::path& path, base::Random& random) {
  // Under another name first: the file is whole, or not there.
  const fs::path fresh = path.string() + ".new";
  ::unlink(fresh.c_str());
  const base::UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) {
    return fail(base::errno_error(errno, fresh.string()));
  }
  std::array<std::byte, crypto::SecretKey::kSize> bytes{};
  random.fill(bytes);
  const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
  ::explicit_bzero(bytes.data(), bytes.size());
  int error = written == crypto::SecretKey::kSize && ::fsync(file.get()) == 0 ? 0 : errno;
  if (error == 0 && ::link(fresh.c_str(), path.c_str()) != 0) {
    error = errno;
  }
  ::unlink(fresh.c_str());
  if (error == EEXIST) {
    return fail_format(ErrorKind::kConflict,
                       "{} exists already: give a copy of it to every node of the cluster",
                       path.string());
  }
  return error == 0 ? Result<>() : fail(base::errno_error(error, path.string()));
}

Result<std::optional<crypto::SecretKey>> open_cluster_secret(const ClusterSecretPlace& place,
                                                             base::Random& random) {
  if (place.file.has_value()) {
    SELVEDGE_TRY(auto secret, read_cluster_secret(*place.file));
    if (!secret.has_value()) {
      return fail_format(ErrorKind::kNotFound,
                         "there is no file {0}: copy it from another node of the cluster, or make "
                         "the first one with `selvedge cluster init --cluster-secret {0}`",
                         place.file->string());
    }
    return secret;
  }
  const fs::path path = cluster_secret_of(place.data_folder);
  SELVEDGE_TRY(auto secret, read_cluster_secret(path));
  if (!secret.has_value() && place.make) {
    SELVEDGE_TRY_VOID(create_cluster_secret(path, random));
    return read_cluster_secret(path);
  }
  return secret;
}

}  // namespace selvedge::node
