#pragma once

// A store in a bucket of any S3-compatible object store that has conditional writes (If-Match,
// If-None-Match: *): Amazon S3, Ceph, MinIO, versitygw and others. check_server() finds out.
//
// Requests are signed (Signature Version 4) with the hash of their content. Failures that may pass
// are tried again with growing random delays; a conditional write whose answer got lost is looked
// for by its write id before anything is said about it.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "store/pause.h"
#include "store/s3_credentials.h"
#include "store/store.h"

namespace selvedge::store {

enum class S3Addressing : unsigned char {
  kPath,         // https://host/bucket/key
  kVirtualHost,  // https://bucket.host/key
};

struct S3StoreOptions {
  // `http://` or `https://`, host and perhaps port. Plain http protects neither from reading nor
  // from changing on the way: for a private network or tests.
  std::string endpoint;
  std::string region = "us-east-1";
  // 3 to 63 bytes out of [a-z0-9.-].
  std::string bucket;
  S3Addressing addressing = S3Addressing::kPath;
  S3Credentials credentials;
  // Certificates to trust (PEM); empty for the system's.
  std::string ca_file = {};
  bool verify_tls = true;
  // URL of an HTTP proxy; empty for none.
  std::string proxy = {};

  base::Duration connect_time_max = std::chrono::seconds(5);
  // With less than 1 KiB a second in both directions.
  base::Duration stall_time_max = std::chrono::seconds(30);
  // Tries of one request, and the time after which no further one begins.
  int attempts_max = 6;
  base::Duration retry_time_max = std::chrono::seconds(60);
  // The first delay before a retry, doubled by each further one, and its bound. What is waited is
  // random between zero and that.
  base::Duration delay_min = std::chrono::milliseconds(100);
  base::Duration delay_max = std::chrono::seconds(5);

  base::Clock& clock;
  // Used by one thread at a time.
  base::Random& random;
  Pause& pause;
  // For counters of requests, retries and failures; may be null.
  base::Registry* registry = nullptr;
};

class S3Store final : public Store {
 public:
  // Larger blobs are uploaded in parts of this size, each of which is held in memory once.
  static constexpr std::size_t kPartBytes = std::size_t{16} << 20;
  // Requests for one page of a list, whatever foreign objects are between.
  static constexpr int kListRequestsMax = 100;

  // Checks the options; asks no server, so that a node starts while there is none. What `options`
  // refers to must outlive the store.
  static Result<std::unique_ptr<S3Store>> create(S3StoreOptions options);
  ~S3Store() override;

  // Whether the server, the bucket and the credentials will do, conditional writes included: writes
  // and removes a document below `checks`. kUnsupported names what the server lacks.
  Result<> check_server();

  Result<Object> get(const Key& key, std::size_t bytes_max) override;
  Result<std::optional<Object>> get_if_changed(const Key& key, const Revision& known,
                                               std::size_t bytes_max) override;
  Result<Revision> put(const Key& key, base::ByteSpan bytes,
                       const Precondition& precondition) override;
  Result<> remove(const Key& key, const Precondition& precondition) override;
  Result<ListPage> list(const ListOptions& options) override;
  // Uploads in parts, of blobs: up to a page of them.
  Result<std::size_t> remove_unfinished(std::int64_t before) override;

  Result<std::optional<std::uint64_t>> find_blob(const BlobHash& hash) override;
  Result<> write_blob(BlobSource& source) override;
  Result<> read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) override;

 private:
  class Impl;
  explicit S3Store(std::unique_ptr<Impl> impl) noexcept;

  std::unique_ptr<Impl> impl_;
};

}  // namespace selvedge::store
