#pragma once

// Garbage collection of a store: removes what no version of any app needs, nor any published
// package, nor any deploy that is under way (blob_uses.h says why), versions that are old, and what
// writers left unfinished when they died.
//
// What it counts on: the store's clock does not jump forward by the grace while a deploy writes a
// version; a process that was about to remove a blob does not stop for longer than kAbandonedTime
// and then go on. Clocks of nodes and the order of lists do not matter.
//
// An error ends a collection at any point; so may the process. What is there then is what there was
// before, less some of what nobody needs.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "app/blob_uses.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/blake3.h"
#include "store/store.h"

namespace selvedge::app {

struct CollectionReport {
  bool dry_run = false;        // nothing was removed: what would have been
  std::uint64_t versions = 0;  // removed, as are all of these
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;  // of the blobs
  std::uint64_t uses = 0;
  std::uint64_t uploads = 0;        // unfinished ones
  std::uint64_t kept_blobs = 0;     // needed by something
  std::uint64_t waiting_blobs = 0;  // needed by nothing but a recent deploy
};

class StoreCollector {
 public:
  struct Options {
    // The store itself, not a copy of what was seen of it.
    store::Store& store;
    const base::Clock& clock;
    // Names this process; no other has the same. It begins with `node`, which is the same in all
    // lives of a node.
    std::string holder;
    std::string node;
    // Of an app, the newest ones; what is active comes on top.
    std::uint64_t versions_kept = 50;
    // How long after the last deploy that had them blobs stay that nothing needs.
    base::Duration grace = std::chrono::hours(24);
  };
  // Everything outlives this.
  explicit StoreCollector(Options options) noexcept : options_(std::move(options)) {}

  // One at a time in the store: kOverloaded while another one is under way. kInternal, with its
  // key, when a document cannot be understood. Blocks; any thread.
  Result<CollectionReport> collect(bool dry_run);

  // Ends the collection that is under way, soon, and lets none begin: the node is ending.
  void stop() noexcept { stopped_ = true; }

  // Ends a collection that an earlier process of this node did not survive. Only when that one is
  // known to be dead, and before any other function.
  Result<> recover();

 private:
  class Run;

  Options options_;
  std::atomic<bool> under_way_ = false;
  std::atomic<bool> stopped_ = false;
};

}  // namespace selvedge::app
