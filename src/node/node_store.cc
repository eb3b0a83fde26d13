#include "node/node_store.h"

#include <utility>

#include "app/package.h"
#include "base/format.h"
#include "store/cached_store.h"
#include "store/directory_store.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kKeyFileBytesMax = 4096;
// Shorter than the store's own defaults: what is known here is better than a long wait.
constexpr base::Duration kConnectTimeMax = std::chrono::seconds(3);
constexpr base::Duration kRetryTimeMax = std::chrono::seconds(10);
constexpr int kAttemptsMax = 4;
constexpr base::Duration kDelayMax = std::chrono::seconds(1);
constexpr base::Duration kProbeInterval = std::chrono::seconds(1);

// Without the line's end.
Result<std::string> read_key(const std::filesystem::path& path) {
  SELVEDGE_TRY(std::string text, app::read_text_file(path.string(), kKeyFileBytesMax));
  while (text.ends_with('\n') || text.ends_with('\r')) {
    text.pop_back();
  }
  if (text.empty()) {
    return fail_format(ErrorKind::kInvalid, "{}: the key is empty", path.string());
  }
  return text;
}

Result<store::S3Credentials> credentials_of(const S3Location& location) {
  store::S3Credentials made = location.credentials;
  if (location.access_key_file.has_value() && location.secret_key_file.has_value()) {
    made.session_token.clear();
    SELVEDGE_TRY(made.access_key, read_key(*location.access_key_file));
    SELVEDGE_TRY(made.secret_key, read_key(*location.secret_key_file));
  }
  if (made.access_key.empty() || made.secret_key.empty()) {
    return fail(ErrorKind::kInvalid,
                "the store in S3 needs credentials: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or store.s3.access_key_file and secret_key_file");
  }
  return made;
}

struct Patience {
  int attempts_max = kAttemptsMax;
  base::Duration stall_time_max = std::chrono::seconds(30);
  bool counted = true;  // in the metrics
};

Result<std::unique_ptr<store::S3Store>> open_s3(const S3Location& location,
                                                const NodeStore::Tools& tools,
                                                Patience patience = {}) {
  SELVEDGE_TRY(auto credentials, credentials_of(location));
  return store::S3Store::create({.endpoint = location.endpoint,
                                 .region = location.region,
                                 .bucket = location.bucket,
                                 .addressing = location.addressing,
                                 .credentials = std::move(credentials),
                                 .ca_file = location.ca_file,
                                 .connect_time_max = kConnectTimeMax,
                                 .stall_time_max = patience.stall_time_max,
                                 .attempts_max = patience.attempts_max,
                                 .retry_time_max = kRetryTimeMax,
                                 .delay_max = kDelayMax,
                                 .clock = tools.clock,
                                 .random = tools.random,
                                 .pause = tools.pause,
                                 .registry = patience.counted ? &tools.registry : nullptr});
}

}  // namespace

Result<NodeStore> NodeStore::open(const NodeOptions& options, const DataFolder& folder,
                                  const Tools& tools) {
  NodeStore made;
  if (options.s3.has_value()) {
    SELVEDGE_TRY(made.backend_, open_s3(*options.s3, tools));
    SELVEDGE_TRY(
        made.impatient_,
        open_s3(*options.s3, tools,
                {.attempts_max = 1, .stall_time_max = std::chrono::seconds(5), .counted = false}));
  } else {
    SELVEDGE_TRY(auto directory,
                 store::DirectoryStore::open({.root = options.store_folder.value_or(folder.store()),
                                              .random = tools.random,
                                              .pause = tools.pause}));
    if (!options.store_folder.has_value()) {
      made.store_ = directory.get();
      made.blobs_ = directory.get();
      made.front_ = std::move(directory);
      return made;
    }
    made.backend_ = std::move(directory);
  }
  SELVEDGE_TRY(auto cached, store::CachedStore::open(
                                *made.backend_, {.folder = folder.store_cache(),
                                                 .blob_bytes_max = options.blob_cache_bytes_max,
                                                 .probe_interval = kProbeInterval,
                                                 .clock = tools.clock,
                                                 .registry = &tools.registry}));
  made.store_ = cached.get();
  made.blobs_ = cached.get();
  made.front_ = std::move(cached);
  return made;
}

Result<> NodeStore::check_server() const {
  return impatient_ != nullptr ? impatient_->check_server() : Result<>();
}

bool NodeStore::is_outage(const Error& error) noexcept {
  return error.kind() == ErrorKind::kDisconnected || error.kind() == ErrorKind::kTimeout ||
         error.kind() == ErrorKind::kOverloaded;
}

}  // namespace selvedge::node
