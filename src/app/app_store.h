#pragma once

// Apps as the store holds them: typed documents over store::Store. Everything is written in an
// order in which a crash leaves nothing that is referred to and missing: blobs, then the version,
// then what names it.
//
// All functions block: on helper threads, any number at once. Errors of the store pass through with
// their kinds; documents that are malformed are kInternal, with their key.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/app_records.h"
#include "app/package_image.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/pause.h"
#include "store/store.h"

namespace selvedge::app {

// The version that this key is of; nullopt when its last segment is no number.
std::optional<VersionNumber> version_number_of(const store::Key& key);

class AppStore {
 public:
  // All outlive this. `pause`: for waiting while a collection removes what a deploy needs; without
  // it that is an error.
  AppStore(store::Store& store [[clang::lifetimebound]],
           const base::Clock& clock [[clang::lifetimebound]],
           store::Pause* pause = nullptr) noexcept
      : store_(store), clock_(clock), pause_(pause) {}

  store::Store& blobs() noexcept [[clang::lifetimebound]] { return store_; }

  // Which of these blobs the store does not have. The others stay for a day: no collection removes
  // what a deploy has asked for.
  Result<std::vector<crypto::Blake3Hash>> missing_blobs(
      const std::vector<crypto::Blake3Hash>& hashes);
  // Adds the blob that the file has, kConflict when it is another one; it stays for a day, or as
  // long as a version needs it.
  Result<> put_blob_file(const crypto::Blake3Hash& hash, const std::filesystem::path& path);

  // Publishes the description of a package whose blobs are there; kNotFound names one that is not.
  // Whoever makes a version of it calls this right before: from here on, for a while, no collection
  // removes what it needs.
  Result<crypto::Blake3Hash> put_image(const PackageImage& image);
  Result<PackageImage> image(const crypto::Blake3Hash& identity);

  // A new version, under the next number: two calls at once get two numbers. `config` was parsed.
  Result<VersionRecord> create_version(const std::string& app, const crypto::Blake3Hash& package,
                                       std::string config);
  // Takes a version back that is not active and never was.
  Result<> withdraw_version(const std::string& app, VersionNumber number);
  // kNotFound.
  Result<VersionRecord> version(const std::string& app, VersionNumber number);
  // Ascending; empty when there is no such app.
  Result<std::vector<VersionNumber>> versions(const std::string& app);

  // Which versions requests go to; nullopt: none, or no such app.
  Result<std::optional<ActiveRecord>> active(const std::string& app);
  // Replaces the choice. kNotFound when one of the versions does not exist, or is being removed
  // because it is old; kConflict when somebody
  // else changed it since `seen` (nullopt: whatever it is; no versions: none was active).
  Result<> activate(const std::string& app, const ActiveRecord& record,
                    const std::optional<ActiveRecord>& seen = std::nullopt);

  // Names of all apps that have a version, ascending.
  Result<std::vector<std::string>> apps();
  // Takes the app and its domains offline, then removes its versions. kNotFound. After a failure it
  // can be called again.
  Result<> remove_app(const std::string& app);

  // Gives the domains to the app. kConflict, with nothing changed for the named one, when a domain
  // belongs to another app.
  Result<> claim_domains(const std::string& app, const std::vector<std::string>& domains);
  // nullopt: nobody's.
  Result<std::optional<std::string>> app_of_domain(const std::string& domain);

  struct Changes {
    ChangeRecord record;
    store::Revision revision;
    bool stale = false;  // the store does not answer; this is what the node saw last
  };
  // nullopt: as it was at `known`, and the store says so.
  Result<std::optional<Changes>> changes(const std::optional<store::Revision>& known);

  // How many answers so far were what this node had seen, because the store did not answer. Any of
  // them may be out of date.
  std::uint64_t stale_reads() const noexcept { return stale_reads_; }
  // Tells all nodes that something of the app is new.
  Result<> announce(const std::string& app);

 private:
  // The document, or nullopt when there is none.
  Result<std::optional<store::Object>> find(const store::Key& key);
  Result<> remove_domains(const std::string& app);
  // use_blobs(), but for those that were used a moment ago: a collection sees that as well.
  Result<> use(const std::vector<crypto::Blake3Hash>& hashes);

  store::Store& store_;
  const base::Clock& clock_;
  store::Pause* pause_;
  std::atomic<std::uint64_t> stale_reads_ = 0;
  std::mutex used_mutex_;
  std::map<crypto::Blake3Hash, base::MonotonicTime> used_;
};

}  // namespace selvedge::app
