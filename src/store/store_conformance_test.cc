#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <fstream>
#include <thread>

#include "store/store.h"
#include "store/testing/store_world.h"

// Goal: every backend keeps every promise of store.h. Method: one suite over all of them, against
// real directories and real servers.

namespace selvedge::store {
namespace {

using base::as_bytes;
using ::testing::ElementsAre;
using testing::key;
using testing::StoreWorld;
using testing::text_of;

struct Backend {
  std::string name;
  std::unique_ptr<StoreWorld> (*make)();
};

class StoreConformanceTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    world_ = GetParam().make();
    if (world_ == nullptr) {
      GTEST_SKIP() << "this backend cannot be had here";
    }
    store_ = world_->open();
    ASSERT_NE(store_, nullptr);
  }

  Revision put(std::string_view name, std::string_view text,
               const Precondition& precondition = Precondition::any()) {
    auto revision = store_->put(key(name), as_bytes(text), precondition);
    EXPECT_TRUE(revision.has_value()) << revision.error().message();
    return revision ? *std::move(revision) : Revision({});
  }
  std::string get(std::string_view name) {
    auto object = store_->get(key(name), kDocumentBytesMax);
    return object ? text_of(*object) : std::string(to_string(object.error().kind()));
  }
  std::vector<std::string> list(const ListOptions& options, bool* more = nullptr) {
    auto page = store_->list(options);
    EXPECT_TRUE(page.has_value()) << page.error().message();
    std::vector<std::string> names;
    for (const ListEntry& entry : page ? page->entries : std::vector<ListEntry>()) {
      names.push_back(entry.key.text());
    }
    if (more != nullptr) {
      *more = page && page->more;
    }
    return names;
  }

  std::unique_ptr<StoreWorld> world_;
  std::unique_ptr<Store> store_;
};

ErrorKind kind_of(const auto& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorKind::kInternal : result.error().kind();
}

TEST_P(StoreConformanceTest, Document_IsSeenByEveryOpening) {
  const Revision revision = put("apps/hello/active", "one");
  const auto other = world_->open();
  const auto object = other->get(key("apps/hello/active"), 3);
  ASSERT_TRUE(object.has_value()) << object.error().message();
  EXPECT_EQ(text_of(*object), "one");
  EXPECT_EQ(object->revision, revision);
}

TEST_P(StoreConformanceTest, DocumentOfEverySize_ComesBackWhole) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{65'537}, kDocumentBytesMax}) {
    const std::string text(size, '\xff');
    put("sizes/one", text);
    EXPECT_EQ(get("sizes/one"), text) << size;
  }
  const std::string text(kDocumentBytesMax + 1, 'x');
  EXPECT_EQ(kind_of(store_->put(key("sizes/two"), as_bytes(text), Precondition::any())),
            ErrorKind::kInvalid);
}

TEST_P(StoreConformanceTest, EveryCharacterOfAKey_NamesADocumentOfItsOwn) {
  const std::vector<std::string> names = {"k/a+b", "k/a-b", "k/a.b", "k/a1b", "k/a@b", "k/a_b"};
  for (const std::string& name : names) {
    put(name, name);
  }
  for (const std::string& name : names) {
    EXPECT_EQ(get(name), name);
  }
  EXPECT_EQ(list({.folder = key("k")}), names);
}

TEST_P(StoreConformanceTest, Get_OfWhatIsNotThere_IsNotFound) {
  EXPECT_EQ(get("apps/none"), "not found");
  put("apps/hello/active", "one");
  EXPECT_EQ(get("apps/hello"), "not found");
  EXPECT_EQ(kind_of(store_->get_if_changed(key("apps/none"), Revision("x"), 10)),
            ErrorKind::kNotFound);
}

TEST_P(StoreConformanceTest, Get_BeyondTheCallersBound_IsInvalid) {
  put("apps/hello/active", "four");
  EXPECT_EQ(kind_of(store_->get(key("apps/hello/active"), 3)), ErrorKind::kInvalid);
  EXPECT_TRUE(store_->get(key("apps/hello/active"), 4).has_value());
}

TEST_P(StoreConformanceTest, GetIfChanged_AnswersOnlyAnotherRevision) {
  const Revision first = put("apps/a", "one");
  auto same = store_->get_if_changed(key("apps/a"), first, 10);
  ASSERT_TRUE(same.has_value()) << same.error().message();
  EXPECT_FALSE(same->has_value());
  const Revision second = put("apps/a", "two");
  auto changed = store_->get_if_changed(key("apps/a"), first, 10);
  ASSERT_TRUE(changed.has_value() && changed->has_value());
  EXPECT_EQ(text_of(**changed), "two");
  EXPECT_EQ((*changed)->revision, second);
}

TEST_P(StoreConformanceTest, PutIfAbsent_SucceedsOnce) {
  put("locks/a", "first", Precondition::absent());
  EXPECT_EQ(kind_of(store_->put(key("locks/a"), as_bytes("second"), Precondition::absent())),
            ErrorKind::kConflict);
  EXPECT_EQ(get("locks/a"), "first");
}

TEST_P(StoreConformanceTest, PutIfMatches_NeedsTheCurrentRevision) {
  const Revision first = put("apps/a", "one");
  const Revision second = put("apps/a", "two", Precondition::matches(first));
  EXPECT_EQ(kind_of(store_->put(key("apps/a"), as_bytes("three"), Precondition::matches(first))),
            ErrorKind::kConflict);
  EXPECT_EQ(get("apps/a"), "two");
  EXPECT_EQ(kind_of(store_->put(key("apps/none"), as_bytes("x"), Precondition::matches(second))),
            ErrorKind::kConflict);
  EXPECT_EQ(get("apps/none"), "not found");
}

TEST_P(StoreConformanceTest, Revision_IsNotRepeatedByTheSameBytes) {
  const Revision first = put("apps/a", "one");
  put("apps/a", "two");
  const Revision third = put("apps/a", "one");
  EXPECT_NE(first, third);
  EXPECT_EQ(kind_of(store_->put(key("apps/a"), as_bytes("x"), Precondition::matches(first))),
            ErrorKind::kConflict);
  EXPECT_EQ(kind_of(store_->remove(key("apps/a"), Precondition::matches(first))),
            ErrorKind::kConflict);
  EXPECT_EQ(get("apps/a"), "one");
}

TEST_P(StoreConformanceTest, Remove_TakesTheDocumentAway) {
  put("apps/a/one", "1");
  const Revision revision = put("apps/a/two", "2");
  EXPECT_TRUE(store_->remove(key("apps/a/one"), Precondition::any()).has_value());
  EXPECT_TRUE(store_->remove(key("apps/a/two"), Precondition::matches(revision)).has_value());
  EXPECT_EQ(get("apps/a/one"), "not found");
  EXPECT_THAT(list({.folder = key("apps")}), ElementsAre());
  // Again, and of what never was: nothing to do.
  EXPECT_TRUE(store_->remove(key("apps/a/one"), Precondition::any()).has_value());
  EXPECT_TRUE(store_->remove(key("none/at/all"), Precondition::any()).has_value());
  EXPECT_EQ(kind_of(store_->remove(key("apps/a/two"), Precondition::matches(revision))),
            ErrorKind::kConflict);
  EXPECT_EQ(kind_of(store_->remove(key("apps/a/two"), Precondition::absent())),
            ErrorKind::kInvalid);
  // What was removed can come back.
  put("apps/a/two", "3", Precondition::absent());
  EXPECT_EQ(get("apps/a/two"), "3");
}

TEST_P(StoreConformanceTest, List_IsSortedByBytesWithRevisions) {
  // "-" and "." sort before the "/" of a folder, digits and letters after.
  const std::vector<std::string> names = {"apps/a-b",  "apps/a.b", "apps/a/x/deep",
                                          "apps/a/y",  "apps/a0",  "apps/b/1",
                                          "apps/b/10", "apps/b/2", "apps/c"};
  for (const std::string& name : names) {
    put(name, name);
  }
  put("apples/z", "other");
  put("apps2/z", "other");
  EXPECT_EQ(list({.folder = key("apps")}), names);
  EXPECT_THAT(list({.folder = key("apps/a")}), ElementsAre("apps/a/x/deep", "apps/a/y"));
  EXPECT_THAT(list({.folder = key("none")}), ElementsAre());
  const auto page = store_->list({.folder = key("apps")});
  ASSERT_TRUE(page.has_value());
  for (const ListEntry& entry : page->entries) {
    EXPECT_EQ(store_->get(entry.key, 100)->revision, entry.revision) << entry.key.text();
  }
}

TEST_P(StoreConformanceTest, List_TellsSizesAndTimesOfOneClock) {
  put("apps/a", "1");
  const auto hash = store_->put_blob(as_bytes("four"));
  ASSERT_TRUE(hash.has_value());
  put("apps/b", "1");
  const auto apps = store_->list({.folder = key("apps")});
  const auto blobs = store_->list({.folder = key("blobs")});
  ASSERT_TRUE(apps.has_value() && blobs.has_value());
  ASSERT_EQ(apps->entries.size(), 2U);
  ASSERT_EQ(blobs->entries.size(), 1U);
  EXPECT_EQ(blobs->entries[0].bytes, 4U);
  EXPECT_GT(apps->entries[0].bytes, 0U);
  const auto first = apps->entries[0].written;
  const auto last = apps->entries[1].written;
  ASSERT_TRUE(first && last && blobs->entries[0].written);
  EXPECT_GT(*first, 1'600'000'000);
  EXPECT_LE(*first, *blobs->entries[0].written);
  EXPECT_LE(*blobs->entries[0].written, *last);
}

TEST_P(StoreConformanceTest, RemoveUnfinished_LeavesWhatIsThere) {
  put("apps/a", "1");
  const auto hash = store_->put_blob(as_bytes(std::string(20'000'000, 'x')));
  ASSERT_TRUE(hash.has_value());
  const auto removed = store_->remove_unfinished(std::int64_t{1} << 40);
  ASSERT_TRUE(removed.has_value()) << removed.error().message();
  EXPECT_EQ(*removed, 0U);
  EXPECT_TRUE(*store_->has_blob(*hash));
  EXPECT_EQ(get("apps/a"), "1");
}

TEST_P(StoreConformanceTest, ListInPages_GivesEachKeyOnce) {
  std::vector<std::string> names;
  for (int i = 100; i < 125; ++i) {
    names.push_back("jobs/" + std::to_string(i / 10) + "/" + std::to_string(i));
    put(names.back(), "x");
  }
  for (const std::size_t limit :
       {std::size_t{1}, std::size_t{4}, std::size_t{5}, std::size_t{25}}) {
    std::vector<std::string> found;
    ListOptions options{.folder = key("jobs"), .limit = limit};
    bool more = true;
    for (int pages = 0; more && pages < 30; ++pages) {
      for (std::string& name : list(options, &more)) {
        found.push_back(std::move(name));
      }
      options.start_after = key(found.back());
    }
    EXPECT_EQ(found, names) << limit;
  }
  EXPECT_THAT(list({.folder = key("jobs"), .start_after = key("jobs/12/123")}),
              ElementsAre("jobs/12/124"));
  // Also after what is not there.
  EXPECT_EQ(list({.folder = key("jobs"), .start_after = key("jobs/11z")}).size(), 5U);
  EXPECT_EQ(kind_of(store_->list({.folder = key("jobs"), .limit = 0})), ErrorKind::kInvalid);
}

TEST_P(StoreConformanceTest, ForeignNames_AreNotListed) {
  put("apps/a", "1");
  world_->add_foreign_name();
  EXPECT_THAT(list({.folder = key("apps")}), ElementsAre("apps/a"));
  EXPECT_THAT(list({.folder = key("apps"), .limit = 1}), ElementsAre("apps/a"));
}

TEST_P(StoreConformanceTest, Blob_IsNamedByItsContent) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{300'000}}) {
    const std::string text(size, 'b');
    const auto hash = store_->put_blob(as_bytes(text));
    ASSERT_TRUE(hash.has_value()) << hash.error().message();
    EXPECT_EQ(*hash, crypto::blake3(as_bytes(text)));
    EXPECT_TRUE(*world_->open()->has_blob(*hash));
    EXPECT_EQ(store_->put_blob(as_bytes(text)), *hash);
    const auto bytes = world_->open()->get_blob(*hash, size);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message();
    EXPECT_EQ(base::as_text(*bytes), text);
    if (size > 0) {
      EXPECT_EQ(kind_of(store_->get_blob(*hash, size - 1)), ErrorKind::kInvalid);
    }
  }
}

TEST_P(StoreConformanceTest, BlobThatIsMissing_IsNotFound) {
  const BlobHash hash = crypto::blake3(as_bytes("never stored"));
  EXPECT_FALSE(*store_->has_blob(hash));
  EXPECT_EQ(kind_of(store_->get_blob(hash, 100)), ErrorKind::kNotFound);
  testing::TemporaryFolder folder;
  EXPECT_EQ(kind_of(store_->fetch_blob_to(hash, folder.path() / "blob", 100)),
            ErrorKind::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_P(StoreConformanceTest, BlobFile_GoesInAndOutInPieces) {
  testing::TemporaryFolder folder;
  std::string text(20'000'000, '\0');
  for (std::size_t i = 0; i < text.size(); i += 997) {
    text[i] = static_cast<char>(i / 997);
  }
  std::ofstream(folder.path() / "in", std::ios::binary) << text;
  const auto hash = store_->put_blob_file(folder.path() / "in");
  ASSERT_TRUE(hash.has_value()) << hash.error().message();
  EXPECT_EQ(*hash, crypto::blake3(as_bytes(text)));
  const auto fetched = world_->open()->fetch_blob_to(*hash, folder.path() / "out", text.size());
  ASSERT_TRUE(fetched.has_value()) << fetched.error().message();
  std::ifstream file(folder.path() / "out", std::ios::binary);
  EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(file), {}) == text);
  EXPECT_EQ(kind_of(store_->put_blob_file(folder.path() / "none")), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of(store_->put_blob_file(folder.path())), ErrorKind::kNotFound);
}

TEST_P(StoreConformanceTest, DamagedBlob_IsNoticedAndNothingIsLeft) {
  const auto hash = store_->put_blob(as_bytes("good bytes!"));
  ASSERT_TRUE(hash.has_value());
  world_->damage_blob(*hash);
  const auto other = world_->open();
  EXPECT_EQ(kind_of(other->get_blob(*hash, 100)), ErrorKind::kInternal);
  testing::TemporaryFolder folder;
  EXPECT_EQ(kind_of(other->fetch_blob_to(*hash, folder.path() / "blob", 100)),
            ErrorKind::kInternal);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_P(StoreConformanceTest, Blobs_AreListedAndRemovedButAreNoDocuments) {
  const auto hash = store_->put_blob(as_bytes("blob"));
  ASSERT_TRUE(hash.has_value());
  const Key name = blob_key(*hash);
  EXPECT_THAT(list({.folder = key("blobs")}), ElementsAre(name.text()));
  EXPECT_EQ(kind_of(store_->get(name, 100)), ErrorKind::kInvalid);
  EXPECT_EQ(kind_of(store_->put(name, as_bytes("x"), Precondition::any())), ErrorKind::kInvalid);
  EXPECT_EQ(kind_of(store_->put(key("blobs"), as_bytes("x"), Precondition::any())),
            ErrorKind::kInvalid);
  EXPECT_TRUE(store_->remove(name, Precondition::any()).has_value());
  EXPECT_FALSE(*store_->has_blob(*hash));
}

// Each thread is a node of its own; each adds one to a counter again and again.
TEST_P(StoreConformanceTest, ConcurrentCompareAndSwap_LosesNoUpdate) {
  constexpr int kThreads = 6;
  constexpr int kIncrements = 15;
  put("counter", "0");
  std::atomic<int> conflicts = 0;
  const auto increment = [&conflicts](Store& store) {
    for (int tries = 0; tries < 2000; ++tries) {
      const auto object = store.get(key("counter"), 100);
      ASSERT_TRUE(object.has_value()) << object.error().message();
      const std::string text = text_of(*object);
      int value = -1;
      std::from_chars(text.data(), text.data() + text.size(), value);
      const auto written = store.put(key("counter"), as_bytes(std::to_string(value + 1)),
                                     Precondition::matches(object->revision));
      if (written) {
        return;
      }
      ASSERT_EQ(written.error().kind(), ErrorKind::kConflict) << written.error().message();
      ++conflicts;
    }
    FAIL() << "no turn in 2000 tries";
  };
  std::vector<std::unique_ptr<Store>> stores;
  for (int i = 0; i < kThreads; ++i) {
    stores.push_back(world_->open());
  }
  {
    std::vector<std::jthread> threads;
    for (const auto& store : stores) {
      threads.emplace_back([&store, &increment] {
        for (int i = 0; i < kIncrements; ++i) {
          increment(*store);
        }
      });
    }
  }
  EXPECT_EQ(get("counter"), std::to_string(kThreads * kIncrements));
  RecordProperty("conflicts", conflicts.load());
}

TEST_P(StoreConformanceTest, OneStoreFromManyThreads_CreatesEachNameOnce) {
  constexpr int kThreads = 4;
  constexpr int kNames = 12;
  std::atomic<int> created = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([this, &created] {
        for (int name = 0; name < kNames; ++name) {
          const auto written = store_->put(key("claims/" + std::to_string(name)), as_bytes("mine"),
                                           Precondition::absent());
          created += written.has_value() ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(created.load(), kNames);
}

INSTANTIATE_TEST_SUITE_P(Backends, StoreConformanceTest,
                         ::testing::Values(Backend{"directory", &testing::make_directory_world},
                                           Backend{"cached", &testing::make_cached_world},
                                           Backend{"s3", &testing::make_s3_world},
                                           Backend{"s3_virtual_host",
                                                   &testing::make_s3_virtual_host_world}),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace selvedge::store
