#include "app/store_collector.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "app/app_store.h"
#include "app/internal/store_listing.h"
#include "app/store_references.h"
#include "app/version_pruning.h"
#include "base/bytes.h"
#include "base/format.h"
#include "base/log.h"

namespace selvedge::app {
namespace {

using crypto::Blake3Hash;
using store::Key;
using store::Precondition;

// A lease that was not renewed for so long is another's to take.
constexpr std::chrono::seconds kLeaseTime = std::chrono::hours(1);
constexpr base::Duration kRenewInterval = std::chrono::minutes(10);

// A clock that was set back makes nothing immortal but what it is safe to keep.
bool is_older(std::int64_t written, std::int64_t now, std::chrono::seconds age) noexcept {
  return now - written >= age.count();
}

std::optional<Blake3Hash> hash_of(const Key& key) {
  const std::string_view text = key.text();
  auto hash = Blake3Hash::from_hex(text.substr(text.rfind('/') + 1));
  return hash.has_value() ? std::optional(*hash) : std::nullopt;
}

}  // namespace

// One collection.
class StoreCollector::Run {
 public:
  Run(const Options& options, const std::atomic<bool>& stopped, bool dry_run) noexcept
      : options_(options), stopped_(stopped), apps_(options.store, options.clock) {
    report_.dry_run = dry_run;
  }

  Result<CollectionReport> run() {
    SELVEDGE_TRY_VOID(take_lease());
    auto done = collect();
    // What it was removing when it failed may be removed later than now: that stays written down
    // until the lease is too old.
    if (!removing_) {
      if (auto released = put_state({}); !released.has_value() && done.has_value()) {
        return fail(std::move(released).error());
      }
    }
    SELVEDGE_TRY_VOID(std::move(done));
    return report_;
  }

 private:
  struct Candidate {
    Blake3Hash hash;
    std::uint64_t bytes = 0;
  };
  struct Use {
    Key key;
    store::Revision revision;
  };

  Result<> take_lease();
  Result<> put_state(std::vector<Blake3Hash> removing, std::string holder = {});
  Result<> renew();
  Result<> collect();
  Result<> prune();
  // Tells the uses that have expired from those that have not.
  Result<> read_uses();
  Result<> find_candidates(const StoreReferences& references);
  Result<> add_use(const Key& key);
  bool is_used(const Blake3Hash& hash) const { return used_.contains(hash); }
  // Some of the candidates, from `begin`; where it stopped.
  Result<std::size_t> remove_from(std::size_t begin);
  Result<> remove_uses();
  // Of processes that died.
  Result<> remove_leftovers();

  const Options& options_;
  const std::atomic<bool>& stopped_;
  AppStore apps_;
  CollectionReport report_;
  std::int64_t now_ = 0;  // the store's, at the beginning
  std::optional<store::Revision> lease_;
  base::MonotonicTime renewed_{};
  bool removing_ = false;
  std::vector<Use> expired_;
  std::set<std::pair<std::string, std::string>> expired_names_;  // key and revision
  std::set<std::string> read_uses_;                              // keys: a key tells the content
  std::set<Blake3Hash> used_;
  std::vector<Candidate> candidates_;
};

Result<> StoreCollector::Run::take_lease() {
  SELVEDGE_TRY(const auto state, read_collection(options_.store));
  SELVEDGE_TRY(const CollectionTimes times, read_collection_times(options_.store));
  now_ = times.now;
  if (state.has_value()) {
    const bool others = !state->record.holder.empty() && state->record.holder != options_.holder;
    const std::chrono::seconds age(times.now - times.state.value_or(times.now));
    if (others && std::chrono::abs(age) < kLeaseTime) {
      return fail(ErrorKind::kOverloaded,
                  "another node is collecting in this store at this moment; try again later");
    }
    lease_ = state->revision;
  }
  return put_state({}, options_.holder);
}

Result<> StoreCollector::Run::put_state(std::vector<Blake3Hash> removing, std::string holder) {
  SELVEDGE_TRY(const Key key, Key::parse(kCollectionState));
  const std::string json =
      to_json(CollectionRecord{.holder = std::move(holder), .removing = std::move(removing)});
  auto written = options_.store.put(
      key, base::as_bytes(json),
      lease_.has_value() ? Precondition::matches(*lease_) : Precondition::absent());
  if (!written.has_value()) {
    return written.error().kind() == ErrorKind::kConflict
               ? fail(ErrorKind::kOverloaded,
                      "another node has begun to collect in this store; try again later")
               : fail(std::move(written).error());
  }
  lease_ = *std::move(written);
  renewed_ = options_.clock.now();
  return {};
}

Result<> StoreCollector::Run::renew() {
  if (stopped_) {
    return fail(ErrorKind::kOverloaded, "the node is ending, and the collection with it");
  }
  return options_.clock.now() - renewed_ < kRenewInterval ? Result<>()
                                                          : put_state({}, options_.holder);
}

Result<> StoreCollector::Run::collect() {
  SELVEDGE_TRY_VOID(prune());
  SELVEDGE_TRY_VOID(read_uses());
  StoreReferences references(options_.store);
  SELVEDGE_TRY_VOID(references.read([this] { return renew(); }));
  SELVEDGE_TRY_VOID(find_candidates(references));
  if (report_.dry_run) {
    std::erase_if(candidates_, [this](const Candidate& found) { return is_used(found.hash); });
    report_.blobs = candidates_.size();
    for (const Candidate& found : candidates_) {
      report_.bytes += found.bytes;
    }
    report_.uses = expired_.size();
    return {};
  }
  for (std::size_t begin = 0; begin < candidates_.size();) {
    SELVEDGE_TRY_VOID(renew());
    SELVEDGE_TRY(begin, remove_from(begin));
  }
  SELVEDGE_TRY_VOID(remove_uses());
  return remove_leftovers();
}

Result<> StoreCollector::Run::prune() {
  SELVEDGE_TRY(const auto names, apps_.apps());
  for (const std::string& app : names) {
    SELVEDGE_TRY_VOID(renew());
    SELVEDGE_TRY(
        const std::uint64_t removed,
        prune_versions(options_.store, apps_, app, options_.versions_kept, report_.dry_run));
    report_.versions += removed;
  }
  return {};
}

Result<> StoreCollector::Run::read_uses() {
  SELVEDGE_TRY(const Key folder, Key::parse(kUsesFolder));
  const auto grace = std::chrono::duration_cast<std::chrono::seconds>(options_.grace);
  return internal::for_each_entry(
      options_.store, folder, [this, grace](store::ListEntry entry) -> Result<> {
        if (!entry.written.has_value()) {
          return fail_format(ErrorKind::kUnsupported, "the store does not say when {} was written",
                             entry.key.text());
        }
        if (!is_older(*entry.written, now_, grace)) {
          return add_use(entry.key);
        }
        expired_names_.emplace(entry.key.text(), entry.revision.text());
        expired_.push_back({.key = std::move(entry.key), .revision = std::move(entry.revision)});
        return {};
      });
}

Result<> StoreCollector::Run::add_use(const Key& key) {
  if (!read_uses_.insert(key.text()).second) {
    return {};
  }
  SELVEDGE_TRY(const store::Object object, options_.store.get(key, kRecordBytesMax));
  const auto hashes = parse_use(base::as_text(object.bytes));
  if (!hashes.has_value()) {
    return fail_format(ErrorKind::kInternal,
                       "the store's document {} cannot be understood, so nothing is removed: {}",
                       key.text(), hashes.error().message());
  }
  used_.insert(hashes->begin(), hashes->end());
  return {};
}

Result<> StoreCollector::Run::find_candidates(const StoreReferences& references) {
  SELVEDGE_TRY(const Key folder, Key::parse(store::kBlobFolder));
  SELVEDGE_TRY_VOID(internal::for_each_entry(
      options_.store, folder, [this, &references](const store::ListEntry& entry) -> Result<> {
        SELVEDGE_TRY_VOID(renew());
        const auto hash = hash_of(entry.key);
        if (!hash.has_value()) {
          return {};  // no blob of ours
        }
        if (references.contains(*hash)) {
          ++report_.kept_blobs;
        } else {
          report_.waiting_blobs += is_used(*hash) ? 1 : 0;
          candidates_.push_back({.hash = *hash, .bytes = entry.bytes});
        }
        return {};
      }));
  return {};
}

Result<std::size_t> StoreCollector::Run::remove_from(std::size_t begin) {
  const std::size_t end = std::min(candidates_.size(), begin + kRemovingMax);
  const std::span batch(candidates_.begin() + static_cast<std::ptrdiff_t>(begin),
                        candidates_.begin() + static_cast<std::ptrdiff_t>(end));
  std::vector<Blake3Hash> hashes;
  for (const Candidate& candidate : batch) {
    if (!is_used(candidate.hash)) {
      hashes.push_back(candidate.hash);
    }
  }
  if (hashes.empty()) {
    return end;
  }
  const base::MonotonicTime began = options_.clock.now();
  const base::WallTime wall_began = options_.clock.wall_now();
  SELVEDGE_TRY_VOID(put_state(hashes, options_.holder));
  removing_ = true;
  // Now that deploys can see what goes: who counts on it?
  SELVEDGE_TRY(const Key folder, Key::parse(kUsesFolder));
  SELVEDGE_TRY_VOID(internal::for_each_entry(
      options_.store, folder, [this](const store::ListEntry& entry) -> Result<> {
        return expired_names_.contains({entry.key.text(), entry.revision.text()})
                   ? Result<>()
                   : add_use(entry.key);
      }));
  std::size_t done = begin;
  for (const Candidate& candidate : batch) {
    // The wall's clock too: it goes on while a machine sleeps.
    if (stopped_ || options_.clock.now() - began > kRemovingTimeMax ||
        std::chrono::abs(options_.clock.wall_now() - wall_began) > kRemovingTimeMax) {
      break;
    }
    if (!is_used(candidate.hash)) {
      SELVEDGE_TRY_VOID(
          options_.store.remove(store::blob_key(candidate.hash), Precondition::any()));
      ++report_.blobs;
      report_.bytes += candidate.bytes;
    }
    ++done;
  }
  SELVEDGE_TRY_VOID(put_state({}, options_.holder));
  removing_ = false;
  return done;
}

Result<> StoreCollector::Run::remove_uses() {
  for (const Use& use : expired_) {
    SELVEDGE_TRY_VOID(renew());
    auto removed = options_.store.remove(use.key, Precondition::matches(use.revision));
    if (!removed.has_value() && removed.error().kind() != ErrorKind::kConflict) {
      return removed;
    }
    // Another revision: a deploy counts on it again.
    report_.uses += removed.has_value() ? 1 : 0;
  }
  return {};
}

Result<> StoreCollector::Run::remove_leftovers() {
  const auto grace = std::chrono::duration_cast<std::chrono::seconds>(options_.grace);
  SELVEDGE_TRY(const Key checks, Key::parse(store::kChecksFolder));
  SELVEDGE_TRY_VOID(internal::for_each_entry(
      options_.store, checks, [this, grace](const store::ListEntry& entry) -> Result<> {
        return is_older(entry.written.value_or(now_), now_, grace)
                   ? options_.store.remove(entry.key, Precondition::any())
                   : Result<>();
      }));
  SELVEDGE_TRY(report_.uploads, options_.store.remove_unfinished(now_ - grace.count()));
  return {};
}

Result<CollectionReport> StoreCollector::collect(bool dry_run) {
  if (under_way_.exchange(true)) {
    return fail(ErrorKind::kOverloaded,
                "this node is collecting at this moment; try again when it is done");
  }
  auto done = Run(options_, stopped_, dry_run).run();
  under_way_ = false;
  return done;
}

Result<> StoreCollector::recover() {
  SELVEDGE_TRY(const auto state, read_collection(options_.store));
  if (!state.has_value() || !state->record.holder.starts_with(options_.node + "-")) {
    return {};
  }
  SELVEDGE_TRY(const Key key, Key::parse(kCollectionState));
  auto written = options_.store.put(key, base::as_bytes(to_json(CollectionRecord{})),
                                    Precondition::matches(state->revision));
  // Another one has taken it over.
  return written.has_value() || written.error().kind() == ErrorKind::kConflict
             ? Result<>()
             : fail(std::move(written).error());
}

}  // namespace selvedge::app
