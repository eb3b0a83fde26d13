#pragma once

// The store of a node, and its blobs as files. A store in the data folder is used as it is; one
// that may be elsewhere, in S3 or in a folder that machines share, is behind a copy in the data
// folder, so that the node goes on without it.

#include <memory>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "node/data_folder.h"
#include "node/node.h"
#include "store/pause.h"
#include "store/s3_store.h"
#include "store/store.h"

namespace selvedge::node {

class NodeStore {
 public:
  struct Tools {
    base::Clock& clock;
    base::Random& random;
    store::Pause& pause;
    base::Registry& registry;
  };
  // Asks no server: a node starts while there is none (check_server() asks). Invalid: one sentence.
  // `tools` outlive this.
  static Result<NodeStore> open(const NodeOptions& options, const DataFolder& folder,
                                const Tools& tools);

  store::Store& store() const noexcept [[clang::lifetimebound]] { return *store_; }
  // Without this node's copy of it: what it says is so at this moment.
  store::Store& backend() const noexcept [[clang::lifetimebound]] {
    return backend_ != nullptr ? *backend_ : *front_;
  }
  // Whether the store's server will do, if there is one: kUnsupported names what it lacks, kDenied
  // that it refuses the node. Asks it once, for a short time: an error that is_outage() says
  // nothing about that. Blocks.
  Result<> check_server() const;
  // That the store did not answer.
  static bool is_outage(const Error& error) noexcept;
  store::BlobFiles& blobs() const noexcept [[clang::lifetimebound]] { return *blobs_; }

 private:
  NodeStore() = default;

  // Null: `front_` is the store itself.
  std::unique_ptr<store::Store> backend_;
  std::unique_ptr<store::Store> front_;
  // The same bucket, for check_server(); null: no S3.
  std::unique_ptr<store::S3Store> impatient_;
  // Both are `front_`.
  store::Store* store_ = nullptr;
  store::BlobFiles* blobs_ = nullptr;
};

}  // namespace selvedge::node
