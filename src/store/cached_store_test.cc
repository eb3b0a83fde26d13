#include "store/cached_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <latch>
#include <thread>

#include "base/log.h"
#include "store/directory_store.h"
#include "store/testing/store_world.h"

// Goal: a node goes on with what it has seen when its store is gone, says so, and never takes
// something damaged or old for the truth. Method: a real store that can be switched off.

namespace selvedge::store {
namespace {

namespace fs = std::filesystem;
using base::as_bytes;
using ::testing::HasSubstr;
using testing::key;
using testing::text_of;

class ManualClock final : public base::Clock {
 public:
  base::MonotonicTime now() const noexcept override { return base::MonotonicTime(elapsed); }
  base::WallTime wall_now() const noexcept override { return base::WallTime(elapsed); }
  base::Duration elapsed = std::chrono::hours(1);
};

// Answers with an error while it is off, and counts what it is asked.
class SwitchedStore final : public Store {
 public:
  explicit SwitchedStore(Store& store) noexcept : store_(store) {}

  Result<Object> get(const Key& name, std::size_t bytes_max) override {
    SELVEDGE_TRY_VOID(ask());
    return store_.get(name, bytes_max);
  }
  Result<std::optional<Object>> get_if_changed(const Key& name, const Revision& known,
                                               std::size_t bytes_max) override {
    SELVEDGE_TRY_VOID(ask());
    auto result = store_.get_if_changed(name, known, bytes_max);
    if (during_get) {
      during_get();
    }
    return result;
  }
  Result<Revision> put(const Key& name, base::ByteSpan bytes,
                       const Precondition& precondition) override {
    SELVEDGE_TRY_VOID(ask());
    return store_.put(name, bytes, precondition);
  }
  Result<> remove(const Key& name, const Precondition& precondition) override {
    SELVEDGE_TRY_VOID(ask());
    return store_.remove(name, precondition);
  }
  Result<ListPage> list(const ListOptions& options) override {
    SELVEDGE_TRY_VOID(ask());
    return store_.list(options);
  }
  Result<std::optional<std::uint64_t>> find_blob(const BlobHash& hash) override {
    SELVEDGE_TRY_VOID(ask());
    return store_.find_blob(hash);
  }
  Result<> write_blob(BlobSource& source) override {
    SELVEDGE_TRY_VOID(ask());
    return store_.write_blob(source);
  }
  Result<> read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) override {
    SELVEDGE_TRY_VOID(ask());
    ++blob_reads;
    return store_.read_blob(hash, bytes_max, sink);
  }

  std::optional<ErrorKind> off;
  std::atomic<int> asked = 0;
  std::atomic<int> blob_reads = 0;
  std::function<void()> during_get;

 private:
  Result<> ask() {
    ++asked;
    return off ? Result<>(fail(*off, "the cable is out")) : Result<>();
  }

  Store& store_;
};

class CachedStoreTest : public ::testing::Test {
 protected:
  // What is logged of outages and damage is what these tests are about: no warnings.
  CachedStoreTest() {
    log::set_level(log::Level::kError);
    reopen();
  }
  ~CachedStoreTest() override { log::set_level(log::Level::kInfo); }

  void reopen(std::uint64_t blob_bytes_max = 1'000'000) {
    cached_.reset();
    auto opened = CachedStore::open(backend_, {.folder = folder_.path() / "cache",
                                               .blob_bytes_max = blob_bytes_max,
                                               .document_bytes_max = 1'000'000,
                                               .clock = clock_});
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    cached_ = *std::move(opened);
  }
  Revision put(std::string_view name, std::string_view text) {
    auto revision = direct_->put(key(name), as_bytes(text), Precondition::any());
    EXPECT_TRUE(revision.has_value());
    return *std::move(revision);
  }
  BlobHash put_blob(std::string_view text) {
    auto hash = direct_->put_blob(as_bytes(text));
    EXPECT_TRUE(hash.has_value());
    return *hash;
  }
  std::string get(std::string_view name) {
    const auto object = cached_->get(key(name), 1000);
    return object ? text_of(*object) : std::string(to_string(object.error().kind()));
  }
  std::string get_blob(const BlobHash& hash) {
    const auto bytes = cached_->get_blob(hash, 1'000'000);
    return bytes ? std::string(base::as_text(*bytes))
                 : std::string(to_string(bytes.error().kind()));
  }
  // The only file below a folder of the cache.
  fs::path cached_file(std::string_view folder) {
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "cache" / folder)) {
      if (entry.is_regular_file()) {
        return entry.path();
      }
    }
    ADD_FAILURE() << "nothing is cached";
    return {};
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<testing::StoreWorld> world_ = testing::make_directory_world();
  std::unique_ptr<Store> direct_ = world_->open();
  SwitchedStore backend_{*direct_};
  ManualClock clock_;
  std::unique_ptr<CachedStore> cached_;
};

TEST_F(CachedStoreTest, WhatWasSeen_IsServedAsStaleWhileTheStoreIsGone) {
  const Revision revision = put("apps/a", "one");
  EXPECT_EQ(get("apps/a"), "one");
  for (const ErrorKind off : {ErrorKind::kDisconnected, ErrorKind::kTimeout, ErrorKind::kOverloaded,
                              ErrorKind::kDenied, ErrorKind::kInternal}) {
    backend_.off = off;
    clock_.elapsed += std::chrono::hours(1);
    const auto object = cached_->get(key("apps/a"), 1000);
    ASSERT_TRUE(object.has_value()) << object.error().message();
    EXPECT_EQ(text_of(*object), "one");
    EXPECT_EQ(object->revision, revision);
    EXPECT_TRUE(object->stale);
  }
  // Also after a restart.
  reopen();
  EXPECT_EQ(get("apps/a"), "one");
  backend_.off.reset();
  clock_.elapsed += std::chrono::hours(1);
  EXPECT_FALSE(cached_->get(key("apps/a"), 1000)->stale);
}

TEST_F(CachedStoreTest, ListOfAFolder_ThatThisNodeChanged_IsNotServedAsItWasBefore) {
  const ListOptions options{.folder = key("apps")};
  EXPECT_TRUE(cached_->list(options)->entries.empty());
  ASSERT_TRUE(cached_->put(key("apps/a/active"), as_bytes("one"), Precondition::absent()));
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_FALSE(cached_->list(options).has_value());
  backend_.off.reset();
  clock_.elapsed += std::chrono::hours(1);
  EXPECT_EQ(cached_->list(options)->entries.size(), 1U);
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(cached_->list(options)->entries.size(), 1U);
}

// Whoever polls a document must be able to tell that the store has gone.
TEST_F(CachedStoreTest, GetIfChanged_OfAKnownRevision_IsStaleWhileTheStoreIsGone) {
  const Revision revision = put("apps/a", "one");
  const auto same = cached_->get_if_changed(key("apps/a"), revision, 1000);
  ASSERT_TRUE(same.has_value());
  EXPECT_FALSE(same->has_value());
  backend_.off = ErrorKind::kDisconnected;
  const auto stale = cached_->get_if_changed(key("apps/a"), revision, 1000);
  ASSERT_TRUE(stale.has_value() && stale->has_value());
  EXPECT_TRUE((*stale)->stale);
}

TEST_F(CachedStoreTest, WhatWasNotSeen_IsAnErrorAndNotMissing) {
  put("apps/a", "one");
  backend_.off = ErrorKind::kTimeout;
  const auto object = cached_->get(key("apps/a"), 1000);
  ASSERT_FALSE(object.has_value());
  EXPECT_EQ(object.error().kind(), ErrorKind::kDisconnected);
  EXPECT_THAT(object.error().message(), HasSubstr("the cable is out"));
  EXPECT_FALSE(cached_->list({.folder = key("apps")}).has_value());
  EXPECT_FALSE(cached_->has_blob(crypto::blake3(as_bytes("x"))).has_value());
}

TEST_F(CachedStoreTest, StoreThatAnswers_IsBelieved) {
  put("apps/a", "one");
  EXPECT_EQ(get("apps/a"), "one");
  put("apps/a", "two");
  EXPECT_EQ(get("apps/a"), "two");
  ASSERT_TRUE(direct_->remove(key("apps/a"), Precondition::any()).has_value());
  EXPECT_EQ(get("apps/a"), "not found");
  // What is known to be gone does not come back.
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(get("apps/a"), "disconnected");
}

TEST_F(CachedStoreTest, StoreThatIsGone_IsAskedOnceInAnInterval) {
  put("apps/a", "one");
  EXPECT_EQ(get("apps/a"), "one");
  backend_.off = ErrorKind::kTimeout;
  EXPECT_TRUE(cached_->reachable());
  EXPECT_EQ(get("apps/a"), "one");
  EXPECT_FALSE(cached_->reachable());
  const int asked = backend_.asked;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(get("apps/a"), "one");
  }
  EXPECT_EQ(backend_.asked, asked);
  backend_.off.reset();
  put("apps/a", "two");
  EXPECT_EQ(get("apps/a"), "one");
  clock_.elapsed += std::chrono::seconds(6);
  EXPECT_EQ(get("apps/a"), "two");
  EXPECT_TRUE(cached_->reachable());
}

TEST_F(CachedStoreTest, Changes_AreNeverKeptForLater) {
  put("apps/a", "one");
  EXPECT_EQ(get("apps/a"), "one");
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(cached_->put(key("apps/a"), as_bytes("two"), Precondition::any()).error().kind(),
            ErrorKind::kDisconnected);
  EXPECT_FALSE(cached_->remove(key("apps/a"), Precondition::any()).has_value());
  EXPECT_FALSE(cached_->put_blob(as_bytes("blob")).has_value());
  EXPECT_EQ(get("apps/a"), "one");
}

TEST_F(CachedStoreTest, OwnChanges_AreSeenWhileTheStoreIsGone) {
  ASSERT_TRUE(cached_->put(key("a"), as_bytes("mine"), Precondition::absent()).has_value());
  ASSERT_TRUE(cached_->put(key("b"), as_bytes("mine"), Precondition::absent()).has_value());
  ASSERT_TRUE(cached_->remove(key("b"), Precondition::any()).has_value());
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(get("a"), "mine");
  EXPECT_EQ(get("b"), "disconnected");
}

TEST_F(CachedStoreTest, LateAnswer_DoesNotReplaceANewerState) {
  put("a", "one");
  EXPECT_EQ(get("a"), "one");
  put("a", "two");
  // While an answer with "two" is on its way, this node itself writes "three".
  backend_.during_get = [this] {
    backend_.during_get = nullptr;
    ASSERT_TRUE(cached_->put(key("a"), as_bytes("three"), Precondition::any()).has_value());
  };
  EXPECT_EQ(get("a"), "two");
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(get("a"), "three");
}

TEST_F(CachedStoreTest, ListThatWasSeen_IsServedWhileTheStoreIsGone) {
  for (const std::string_view name : {"apps/a", "apps/b", "apps/c"}) {
    put(name, name);
  }
  const ListOptions first{.folder = key("apps"), .limit = 2};
  const auto seen = cached_->list(first);
  ASSERT_TRUE(seen.has_value());
  backend_.off = ErrorKind::kDisconnected;
  const auto page = cached_->list(first);
  ASSERT_TRUE(page.has_value()) << page.error().message();
  ASSERT_EQ(page->entries.size(), 2U);
  EXPECT_EQ(page->entries[1].key.text(), "apps/b");
  EXPECT_EQ(page->entries[1].revision, seen->entries[1].revision);
  EXPECT_TRUE(page->more);
  EXPECT_FALSE(
      cached_->list({.folder = key("apps"), .start_after = key("apps/b"), .limit = 2}).has_value());
}

TEST_F(CachedStoreTest, DamagedDocument_IsNotServed) {
  put("a", "one");
  EXPECT_EQ(get("a"), "one");
  const fs::path file = cached_file("documents");
  fs::resize_file(file, fs::file_size(file) - 1);
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(get("a"), "disconnected");
}

TEST_F(CachedStoreTest, BlobThatWasFetched_NeedsNoStore) {
  const BlobHash hash = put_blob("the blob");
  EXPECT_EQ(get_blob(hash), "the blob");
  EXPECT_EQ(get_blob(hash), "the blob");
  EXPECT_EQ(backend_.blob_reads, 1);
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(get_blob(hash), "the blob");
  // What the store has, only the store can say.
  EXPECT_EQ(cached_->has_blob(hash).error().kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(cached_->get_blob(hash, 3).error().kind(), ErrorKind::kInvalid);
  reopen();
  EXPECT_EQ(get_blob(hash), "the blob");
}

TEST_F(CachedStoreTest, BlobThatTheStoreHasNoMore_IsNotThereThoughItCanBeRead) {
  const BlobHash hash = put_blob("the blob");
  EXPECT_EQ(get_blob(hash), "the blob");
  ASSERT_TRUE(backend_.remove(blob_key(hash), Precondition::any()).has_value());
  EXPECT_FALSE(*cached_->has_blob(hash));
  EXPECT_EQ(get_blob(hash), "the blob");
  // So that whoever needs it sends it again.
  EXPECT_EQ(cached_->put_blob(as_bytes("the blob")), hash);
  EXPECT_TRUE(*cached_->has_blob(hash));
}

TEST_F(CachedStoreTest, DamagedBlob_IsFetchedAgain) {
  const BlobHash hash = put_blob("the blob");
  EXPECT_EQ(get_blob(hash), "the blob");
  std::ofstream(cached_file("blobs")) << "THE BLOB";
  EXPECT_EQ(get_blob(hash), "the blob");
  EXPECT_EQ(backend_.blob_reads, 2);
}

TEST_F(CachedStoreTest, BlobThatTheStoreHasDamaged_IsNotKept) {
  const BlobHash hash = put_blob("the blob");
  world_->damage_blob(hash);
  EXPECT_EQ(get_blob(hash), "internal");
  EXPECT_TRUE(cached_->reachable());
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(get_blob(hash), "disconnected");
}

TEST_F(CachedStoreTest, OpenBlob_StaysReadableWhenItIsRemoved) {
  const BlobHash hash = put_blob("the blob");
  const auto file = cached_->open_blob(hash, 100);
  ASSERT_TRUE(file.has_value()) << file.error().message();
  fs::remove(cached_file("blobs"));
  std::array<char, 100> bytes{};
  EXPECT_EQ(::read(file->get(), bytes.data(), bytes.size()), 8);
  EXPECT_EQ(std::string_view(bytes.data()), "the blob");
}

TEST_F(CachedStoreTest, FullCache_RemovesWhatWasUsedLongestAgo) {
  reopen(1000);
  std::vector<BlobHash> hashes;
  for (char name = 'a'; name <= 'c'; ++name) {
    hashes.push_back(put_blob(std::string(300, name)));
    EXPECT_EQ(get_blob(hashes.back()).size(), 300U);
    clock_.elapsed += std::chrono::milliseconds(1);
  }
  EXPECT_EQ(get_blob(hashes[0])[0], 'a');
  clock_.elapsed += std::chrono::milliseconds(1);
  const BlobHash fourth = put_blob(std::string(300, 'd'));
  EXPECT_EQ(get_blob(fourth)[0], 'd');
  backend_.off = ErrorKind::kDisconnected;
  EXPECT_EQ(get_blob(hashes[0])[0], 'a');
  EXPECT_EQ(get_blob(hashes[1]), "disconnected");
  EXPECT_EQ(get_blob(fourth)[0], 'd');
}

TEST_F(CachedStoreTest, BlobLargerThanTheCache_PassesThrough) {
  reopen(100);
  const BlobHash hash = put_blob(std::string(300, 'x'));
  EXPECT_EQ(get_blob(hash).size(), 300U);
  EXPECT_TRUE(cached_->open_blob(hash, 300).has_value());
}

TEST_F(CachedStoreTest, BlobThatManyWant_IsFetchedOnce) {
  const BlobHash hash = put_blob(std::string(200'000, 'x'));
  std::latch start(4);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([this, &hash, &start] {
        start.arrive_and_wait();
        EXPECT_EQ(get_blob(hash).size(), 200'000U);
      });
    }
  }
  EXPECT_EQ(backend_.blob_reads, 1);
}

TEST_F(CachedStoreTest, Metrics_TellTheState) {
  base::Registry registry;
  auto opened = CachedStore::open(
      backend_, {.folder = folder_.path() / "other", .clock = clock_, .registry = &registry});
  ASSERT_TRUE(opened.has_value());
  put("a", "one");
  ASSERT_TRUE((*opened)->get(key("a"), 10).has_value());
  EXPECT_THAT(registry.expose(), HasSubstr("selvedge_store_reachable 1\n"));
  backend_.off = ErrorKind::kTimeout;
  ASSERT_TRUE((*opened)->get(key("a"), 10).has_value());
  EXPECT_THAT(registry.expose(), HasSubstr("selvedge_store_reachable 0\n"));
  EXPECT_THAT(registry.expose(), HasSubstr("selvedge_store_stale_answers_total 1\n"));
}

}  // namespace
}  // namespace selvedge::store
