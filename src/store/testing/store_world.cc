#include "store/testing/store_world.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "base/system.h"
#include "store/cached_store.h"
#include "store/directory_store.h"

namespace selvedge::store::testing {
namespace {

namespace fs = std::filesystem;

class DirectoryWorld final : public StoreWorld {
 public:
  std::unique_ptr<Store> open() override {
    randoms_.push_back(std::make_unique<base::SeededRandom>(++seed_));
    auto store = DirectoryStore::open(
        {.root = folder_.path() / "store", .random = *randoms_.back(), .pause = pause_});
    if (!store) {
      ADD_FAILURE() << store.error().message();
      return nullptr;
    }
    return *std::move(store);
  }
  void damage_blob(const BlobHash& hash) override {
    std::ofstream(folder_.path() / "store" / blob_key(hash).text()) << "other bytes";
  }
  void add_foreign_name() override {
    fs::create_directories(folder_.path() / "store/apps");
    std::ofstream(folder_.path() / "store/apps/Foreign") << "foreign";
  }

 private:
  TemporaryFolder folder_;
  ThreadPause pause_;
  std::uint64_t seed_ = 0;
  std::vector<std::unique_ptr<base::SeededRandom>> randoms_;
};

// A CachedStore with what it stands on.
class OwningCachedStore final : public Store {
 public:
  OwningCachedStore(std::unique_ptr<Store> backend, std::unique_ptr<CachedStore> cached) noexcept
      : backend_(std::move(backend)), cached_(std::move(cached)) {}

  Result<Object> get(const Key& name, std::size_t bytes_max) override {
    return cached_->get(name, bytes_max);
  }
  Result<std::optional<Object>> get_if_changed(const Key& name, const Revision& known,
                                               std::size_t bytes_max) override {
    return cached_->get_if_changed(name, known, bytes_max);
  }
  Result<Revision> put(const Key& name, base::ByteSpan bytes,
                       const Precondition& precondition) override {
    return cached_->put(name, bytes, precondition);
  }
  Result<> remove(const Key& name, const Precondition& precondition) override {
    return cached_->remove(name, precondition);
  }
  Result<ListPage> list(const ListOptions& options) override { return cached_->list(options); }
  Result<std::size_t> remove_unfinished(std::int64_t before) override {
    return cached_->remove_unfinished(before);
  }
  Result<std::optional<std::uint64_t>> find_blob(const BlobHash& hash) override {
    return cached_->find_blob(hash);
  }
  Result<> write_blob(BlobSource& source) override { return cached_->write_blob(source); }
  Result<> read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) override {
    return cached_->read_blob(hash, bytes_max, sink);
  }

 private:
  std::unique_ptr<Store> backend_;
  std::unique_ptr<CachedStore> cached_;
};

class CachedWorld final : public StoreWorld {
 public:
  std::unique_ptr<Store> open() override {
    auto backend = directory_.open();
    auto cached = CachedStore::open(
        *backend, {.folder = folder_.path() / std::to_string(++opened_), .clock = clock_});
    if (!cached) {
      ADD_FAILURE() << cached.error().message();
      return nullptr;
    }
    return std::make_unique<OwningCachedStore>(std::move(backend), *std::move(cached));
  }
  void damage_blob(const BlobHash& hash) override { directory_.damage_blob(hash); }
  void add_foreign_name() override { directory_.add_foreign_name(); }

 private:
  DirectoryWorld directory_;
  TemporaryFolder folder_;
  base::SystemClock clock_;
  int opened_ = 0;
};

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "selvedge-store-XXXXXX").native();
  const char* made = ::mkdtemp(pattern.data());
  EXPECT_NE(made, nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::unique_ptr<StoreWorld> make_directory_world() { return std::make_unique<DirectoryWorld>(); }

std::unique_ptr<StoreWorld> make_cached_world() { return std::make_unique<CachedWorld>(); }

std::string text_of(const Object& object) { return std::string(base::as_text(object.bytes)); }

Key key(std::string_view text) {
  auto parsed = Key::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed ? *std::move(parsed) : *Key::parse("invalid");
}

}  // namespace selvedge::store::testing
