// The admin API's uploads: a client asks which blobs are missing, and sends those.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "app/json_reader.h"
#include "app/package.h"
#include "app/package_image.h"
#include "base/errno_error.h"
#include "base/format.h"
#include "base/unique_fd.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kHashesBytesMax = std::size_t{1} << 20;
constexpr std::size_t kUploadPieceBytes = std::size_t{256} << 10;

// A file of an upload that is going on; removed with this.
class UploadFile {
 public:
  explicit UploadFile(std::filesystem::path path) : path_(std::move(path)) {}
  UploadFile(const UploadFile&) = delete;
  UploadFile& operator=(const UploadFile&) = delete;
  ~UploadFile() {
    if (fd_) {
      ::unlink(path_.c_str());
    }
  }

  Result<> open() {
    fd_ = base::UniqueFd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    return fd_ ? Result<>() : fail(base::errno_error(errno, path_.string()));
  }
  Result<> write(base::ByteSpan bytes) {
    hasher_.update(bytes);
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
      if (count < 0 && errno != EINTR) {
        return fail(base::errno_error(errno, path_.string()));
      }
      bytes = bytes.subspan(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    return {};
  }
  const std::filesystem::path& path() const noexcept { return path_; }
  crypto::Blake3Hash hash() const noexcept { return hasher_.finalize(); }

 private:
  std::filesystem::path path_;
  crypto::Blake3Hasher hasher_;
  base::UniqueFd fd_;
};

}  // namespace

io::Task<> AdminApi::missing_blobs(app::HttpExchange& exchange) {
  SELVEDGE_CO_TRY(const std::string content, co_await read_content(exchange, kHashesBytesMax));
  SELVEDGE_CO_TRY(const auto document, app::parse_json(content, "the request"));
  SELVEDGE_CO_TRY(const auto root, app::JsonObject::open(document, "request"));
  SELVEDGE_CO_TRY(auto hashes, root.texts("hashes"));
  SELVEDGE_CO_TRY(auto missing,
                  co_await in_store([&store = options_.store,
                                     hashes = std::move(hashes)]() -> Result<nlohmann::json> {
                    std::vector<crypto::Blake3Hash> wanted;
                    for (const std::string& hex : hashes) {
                      SELVEDGE_TRY(const auto hash, crypto::Blake3Hash::from_hex(hex));
                      wanted.push_back(hash);
                    }
                    SELVEDGE_TRY(const auto absent, store.missing_blobs(wanted));
                    nlohmann::json list = nlohmann::json::array();
                    for (const crypto::Blake3Hash& hash : absent) {
                      list.push_back(hash.hex());
                    }
                    return list;
                  }));
  co_return co_await answer_json(exchange, wire::StatusCode(200),
                                 {{"missing", std::move(missing)}});
}

io::Task<> AdminApi::put_blob(app::HttpExchange& exchange, std::string hex) {
  SELVEDGE_CO_TRY(const auto hash, crypto::Blake3Hash::from_hex(hex));
  // With the process's number, since a node that is being replaced uploads to this folder too.
  // Shared with helper threads, which may still write when the client has left.
  const auto file = std::make_shared<UploadFile>(
      options_.upload_folder / fmt::format("upload-{}-{}", ::getpid(), ++uploads_));
  SELVEDGE_CO_TRY_VOID(co_await in_store([file] { return file->open(); }));
  std::uint64_t size = 0;
  for (bool more = true; more;) {
    std::vector<std::byte> piece(kUploadPieceBytes);
    std::size_t filled = 0;
    while (more && filled < piece.size()) {
      SELVEDGE_CO_TRY(const std::size_t count,
                      co_await exchange.read_body(base::MutableByteSpan(piece).subspan(filled)));
      filled += count;
      more = count > 0;
    }
    piece.resize(filled);
    size += filled;
    if (size > app::kVolumeBytesMax) {
      co_return fail_format(ErrorKind::kInvalid, "the blob is larger than {} MiB",
                            app::kVolumeBytesMax >> 20);
    }
    SELVEDGE_CO_TRY_VOID(
        co_await in_store([file, piece = std::move(piece)] { return file->write(piece); }));
  }
  SELVEDGE_CO_TRY_VOID(co_await in_store([&store = options_.store, file, hash]() -> Result<> {
    if (file->hash() != hash) {
      return fail_format(ErrorKind::kInvalid, "what was sent is not the blob {}", hash.hex());
    }
    return store.put_blob_file(hash, file->path());
  }));
  co_return co_await answer_empty(exchange);
}

}  // namespace selvedge::node
