#pragma once

// Which blobs deploys count on, so that no collection removes them before a version names them.
//
//   uses/<hash of the list>   a UseRecord: written by a deploy before it looks for its blobs
//   collection/state          a CollectionRecord: which node collects, and what it is removing
//   collection/clock          written to read the time of the store's clock
//
// Why nothing that is needed is removed, with any number of nodes that deploy and collect at once:
// a deploy writes its use first and reads `collection/state` second; a collection writes what it
// is about to remove into `collection/state` first and reads the uses second, then removes what no
// use names. Whichever of the two came first, the other one sees it: either the collection finds
// the use, or the deploy finds its blob among those that are being removed, and waits. Only after
// that does a deploy look whether its blobs are there, and only then it writes the version.
//
// Whoever has done so for a blob need not do it again for a while: every later collection finds the
// use (AppStore remembers its own for ten minutes).
//
// A use is never taken back: a collection removes it (StoreCollector) when it is older than a
// grace, which is much longer than the time between a use and the version that needs it. Both times
// are of the store's own clock. A version that is older than a use's grace is among the versions
// that the collection reads.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/blake3.h"
#include "store/pause.h"
#include "store/store.h"

namespace selvedge::app {

inline constexpr std::string_view kUsesFolder = "uses";
inline constexpr std::string_view kCollectionFolder = "collection";
inline constexpr std::string_view kCollectionState = "collection/state";
inline constexpr std::size_t kUseHashesMax = 4096;  // of one document
// Blobs that are removed at once; a deploy which needs one of them waits.
inline constexpr std::size_t kRemovingMax = 256;
// A collection removes what it has written down within the first, or stops; from the second on,
// whoever waits may take it for dead. In between lie all tries of one removal.
inline constexpr base::Duration kRemovingTimeMax = std::chrono::minutes(1);
inline constexpr base::Duration kAbandonedTime = std::chrono::minutes(15);

// Ascending, each once.
std::string use_json(std::span<const crypto::Blake3Hash> hashes);
Result<std::vector<crypto::Blake3Hash>> parse_use(std::string_view json);
// Names the list: equal lists are one document.
Result<store::Key> use_key(std::string_view json);

struct CollectionRecord {
  std::string holder;  // of the lease; empty: nobody collects
  std::vector<crypto::Blake3Hash> removing;
};
std::string to_json(const CollectionRecord& record);
Result<CollectionRecord> parse_collection_record(std::string_view json);

// The record as it is now; nullopt: there never was a collection. Asks the store itself:
// kDisconnected when it does not answer.
struct CollectionState {
  CollectionRecord record;
  store::Revision revision;
};
Result<std::optional<CollectionState>> read_collection(store::Store& store);

// What the store's clock says, and when `collection/state` was written by it.
struct CollectionTimes {
  std::int64_t now = 0;  // seconds since 1970
  std::optional<std::int64_t> state;
};
Result<CollectionTimes> read_collection_times(store::Store& store);

// From now on no collection removes these blobs, for its grace; call it before looking whether they
// are there. Waits while a collection is just removing one of them: kOverloaded when that takes
// long. `pause` may be null: then it does not wait. Blocks.
Result<> use_blobs(store::Store& store, store::Pause* pause,
                   std::vector<crypto::Blake3Hash> hashes);

}  // namespace selvedge::app
