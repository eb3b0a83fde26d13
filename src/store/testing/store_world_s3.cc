#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <vector>

#include "base/system.h"
#include "store/internal/s3_client.h"
#include "store/s3_store.h"
#include "store/testing/s3_server.h"
#include "store/testing/store_world.h"

namespace selvedge::store::testing {
namespace {

S3Server* shared_server() {
  // Ends with the program.
  static const std::unique_ptr<S3Server> server = S3Server::start();
  return server.get();
}

class S3World final : public StoreWorld {
 public:
  S3World(S3Server& server, S3Addressing addressing)
      : server_(server), bucket_(server.make_bucket()), addressing_(addressing) {}

  std::unique_ptr<Store> open() override {
    auto store = S3Store::create(options());
    if (!store) {
      ADD_FAILURE() << store.error().message();
      return nullptr;
    }
    return *std::move(store);
  }
  void damage_blob(const BlobHash& hash) override {
    std::ofstream(server_.folder_of(bucket_) / blob_key(hash).text()) << "other bytes";
  }
  void add_foreign_name() override {
    const S3StoreOptions given = options();
    internal::LockedRandom random(given.random);
    internal::S3Client client(given, random);
    for (const std::string_view name : {"apps/Foreign", "apps/a+b c&<%41>"}) {
      const auto answer = client.perform({.method = "PUT", .key = name});
      ASSERT_TRUE(answer.has_value() && answer->is_success()) << name;
    }
  }

 private:
  S3StoreOptions options() {
    randoms_.push_back(std::make_unique<base::SeededRandom>(++seed_));
    return {.endpoint = addressing_ == S3Addressing::kPath ? server_.endpoint()
                                                           : server_.virtual_host_endpoint(),
            .bucket = bucket_,
            .addressing = addressing_,
            .credentials = S3Server::credentials(),
            .clock = clock_,
            .random = *randoms_.back(),
            .pause = pause_};
  }

  S3Server& server_;
  std::string bucket_;
  S3Addressing addressing_;
  base::SystemClock clock_;
  ThreadPause pause_;
  std::uint64_t seed_ = 1000;
  std::vector<std::unique_ptr<base::SeededRandom>> randoms_;
};

std::unique_ptr<StoreWorld> make_world(S3Addressing addressing) {
  S3Server* const server = shared_server();
  return server != nullptr ? std::make_unique<S3World>(*server, addressing) : nullptr;
}

}  // namespace

std::unique_ptr<StoreWorld> make_s3_world() { return make_world(S3Addressing::kPath); }
std::unique_ptr<StoreWorld> make_s3_virtual_host_world() {
  return make_world(S3Addressing::kVirtualHost);
}

}  // namespace selvedge::store::testing
