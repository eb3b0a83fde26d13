#include "store/directory_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <map>

#include "store/testing/store_world.h"

// Goal: what a directory can do to a store: crashes, damage, permissions, other processes. Method:
// real files; processes that are killed.

namespace selvedge::store {
namespace {

namespace fs = std::filesystem;
using base::as_bytes;
using ::testing::HasSubstr;
using testing::key;
using testing::text_of;

// Never waits: what is locked stays locked.
class NoPause final : public Pause {
 public:
  bool wait(base::Duration duration) override {
    waited += duration;
    return true;
  }
  base::Duration waited{};
};

// Also when an assertion has ended the test.
class Unmounting {
 public:
  explicit Unmounting(fs::path path) noexcept : path_(std::move(path)) {}
  ~Unmounting() { ::umount2(path_.c_str(), MNT_DETACH); }
  Unmounting(const Unmounting&) = delete;
  Unmounting& operator=(const Unmounting&) = delete;

 private:
  fs::path path_;
};

class DirectoryStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<DirectoryStore> open() {
    auto store = DirectoryStore::open({.root = root(), .random = random_, .pause = pause_});
    EXPECT_TRUE(store.has_value()) << store.error().message();
    return store ? *std::move(store) : nullptr;
  }
  fs::path root() const { return folder_.path() / "a/store"; }

  testing::TemporaryFolder folder_;
  base::SeededRandom random_{1};
  NoPause pause_;
};

TEST_F(DirectoryStoreTest, OpenBlob_IsVerifiedAndOutlivesItsName) {
  const auto store = open();
  const auto hash = store->put_blob(as_bytes("blob"));
  ASSERT_TRUE(hash.has_value());
  const fs::path path = root() / blob_key(*hash).text();
  EXPECT_EQ(store->open_blob(*hash, 3).error().kind(), ErrorKind::kInvalid);
  const auto file = store->open_blob(*hash, 4);
  ASSERT_TRUE(file.has_value()) << file.error().message();
  fs::remove(path);
  std::array<char, 8> bytes{};
  EXPECT_EQ(::read(file->get(), bytes.data(), bytes.size()), 4);
  EXPECT_STREQ(bytes.data(), "blob");
  EXPECT_EQ(store->open_blob(*hash, 4).error().kind(), ErrorKind::kNotFound);
  std::ofstream(path) << "glob";
  EXPECT_EQ(store->open_blob(*hash, 4).error().kind(), ErrorKind::kInternal);
}

TEST_F(DirectoryStoreTest, Open_MakesAPrivateDirectory) {
  open();
  struct stat status{};
  ASSERT_EQ(::stat(root().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
}

TEST_F(DirectoryStoreTest, Open_WhereAFileIs_SaysSo) {
  std::ofstream(folder_.path() / "a") << "file";
  const auto store = DirectoryStore::open({.root = root(), .random = random_, .pause = pause_});
  ASSERT_FALSE(store.has_value());
  EXPECT_THAT(store.error().message(), HasSubstr(folder_.path().native()));
}

TEST_F(DirectoryStoreTest, DocumentThatWasDamaged_IsAnErrorAndNeverContent) {
  const auto store = open();
  ASSERT_TRUE(store->put(key("apps/a"), as_bytes("content"), Precondition::any()).has_value());
  const fs::path path = root() / "apps/a";
  std::ifstream file(path, std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(file), {});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, size);
    const auto object = store->get(key("apps/a"), 100);
    ASSERT_FALSE(object.has_value()) << "cut to " << size;
    EXPECT_EQ(object.error().kind(), ErrorKind::kInternal);
    std::string changed = whole;
    changed[size] = static_cast<char>(changed[size] ^ 1);
    std::ofstream(path, std::ios::binary) << changed;
    EXPECT_FALSE(store->get(key("apps/a"), 100).has_value()) << "changed at " << size;
  }
}

TEST_F(DirectoryStoreTest, DocumentAsFolderOfAnother_IsRefused) {
  const auto store = open();
  ASSERT_TRUE(store->put(key("a/b"), as_bytes("1"), Precondition::any()).has_value());
  const auto above = store->put(key("a"), as_bytes("2"), Precondition::any());
  const auto below = store->put(key("a/b/c"), as_bytes("3"), Precondition::any());
  ASSERT_FALSE(above.has_value() || below.has_value());
  EXPECT_EQ(above.error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(below.error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(text_of(*store->get(key("a/b"), 10)), "1");
}

TEST_F(DirectoryStoreTest, SymbolicLink_IsNotFollowed) {
  const auto store = open();
  ASSERT_TRUE(store->put(key("apps/a"), as_bytes("1"), Precondition::any()).has_value());
  fs::create_symlink(root() / "apps/a", root() / "apps/link");
  EXPECT_FALSE(store->get(key("apps/link"), 10).has_value());
}

TEST_F(DirectoryStoreTest, LockThatAnotherProcessKeeps_IsOverloadedAfterAWhile) {
  const auto store = open();
  ASSERT_TRUE(store->put(key("a"), as_bytes("1"), Precondition::any()).has_value());
  const base::UniqueFd lock(::open((root() / ".lock").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  const auto written = store->put(key("a"), as_bytes("2"), Precondition::any());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().kind(), ErrorKind::kOverloaded);
  EXPECT_GE(pause_.waited, std::chrono::seconds(30));
  // Readers need no lock.
  EXPECT_EQ(text_of(*store->get(key("a"), 10)), "1");
  EXPECT_TRUE(fs::is_empty(root() / ".new"));
}

TEST_F(DirectoryStoreTest, FilesOfDeadWriters_AreRemovedThoseOfLivingOnesAreKept) {
  open();
  std::ofstream(root() / ".new/dead") << "half";
  const fs::path alive = root() / ".new/alive";
  const base::UniqueFd file(::open(alive.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(file.get(), LOCK_EX), 0);
  open();
  EXPECT_FALSE(fs::exists(root() / ".new/dead"));
  EXPECT_TRUE(fs::exists(alive));
}

TEST_F(DirectoryStoreTest, FileThatChangesWhileItIsStored_DoesNotBecomeABlob) {
  const auto store = open();
  const fs::path path = folder_.path() / "file";
  std::ofstream(path) << "before";
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  BlobSource source(crypto::blake3(as_bytes("before")), file.get(), 6);
  std::ofstream(path) << "after!";
  const auto written = store->write_blob(source);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().kind(), ErrorKind::kConflict);
  EXPECT_FALSE(*store->has_blob(crypto::blake3(as_bytes("before"))));
  EXPECT_TRUE(fs::is_empty(root() / ".new"));
}

TEST_F(DirectoryStoreTest, DirectoryWithoutWriteAccess_ServesReadersAndRefusesWritersClearly) {
  const auto store = open();
  ASSERT_TRUE(store->put(key("apps/a"), as_bytes("1"), Precondition::any()).has_value());
  if (::mount(root().c_str(), root().c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  const Unmounting unmounting(root());
  ASSERT_EQ(::mount(nullptr, root().c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr),
            0);
  {
    const auto reader = open();
    EXPECT_EQ(text_of(*reader->get(key("apps/a"), 10)), "1");
    const auto written = reader->put(key("apps/a"), as_bytes("2"), Precondition::any());
    EXPECT_FALSE(written.has_value());
    EXPECT_EQ(written.error().kind(), ErrorKind::kDenied);
    EXPECT_THAT(written.error().message(), HasSubstr("Read-only file system"));
    const auto removed = reader->remove(key("apps/a"), Precondition::any());
    EXPECT_FALSE(removed.has_value());
    EXPECT_EQ(removed.error().kind(), ErrorKind::kDenied);
  }
}

TEST_F(DirectoryStoreTest, FullDisk_IsOverloadedAndKeepsTheOldDocument) {
  fs::create_directories(root());
  if (::mount("tmpfs", root().c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  const Unmounting unmounting(root());
  {
    const auto store = open();
    EXPECT_TRUE(store->put(key("apps/a"), as_bytes("old"), Precondition::any()).has_value());
    const std::string large(400'000, 'x');
    const auto written = store->put(key("apps/a"), as_bytes(large), Precondition::any());
    EXPECT_FALSE(written.has_value());
    EXPECT_EQ(written.error().kind(), ErrorKind::kOverloaded);
    EXPECT_THAT(written.error().message(), HasSubstr("full"));
    EXPECT_EQ(store->put_blob(as_bytes(large)).error().kind(), ErrorKind::kOverloaded);
    EXPECT_EQ(text_of(*store->get(key("apps/a"), 10)), "old");
    EXPECT_TRUE(fs::is_empty(root() / ".new"));
  }
}

// What the process that gets killed says about each operation, before and after it.
struct Note {
  int name;
  int value;  // -1: removed
  bool done;
};

// Puts and removes documents for ever; ends only by being killed.
[[noreturn]] void write_until_killed(const fs::path& root, int notes, std::uint64_t seed) {
  base::SeededRandom random(seed);
  ThreadPause pause;
  auto store = DirectoryStore::open({.root = root, .random = random, .pause = pause});
  for (int value = 0; store.has_value(); ++value) {
    Note note{.name = static_cast<int>(random.below(4)), .value = value, .done = false};
    const bool removes = random.below(4) == 0;
    if (removes) {
      note.value = -1;
    }
    if (::write(notes, &note, sizeof note) != sizeof note) {
      break;
    }
    const Key name = key("docs/" + std::to_string(note.name) + "/x");
    const std::string text = std::to_string(value) + ":" + std::string(random.below(20'000), 'v');
    if (removes ? !(*store)->remove(name, Precondition::any()).has_value()
                : !(*store)->put(name, as_bytes(text), Precondition::any()).has_value()) {
      break;
    }
    note.done = true;
    if (::write(notes, &note, sizeof note) != sizeof note) {
      break;
    }
  }
  ::_exit(1);
}

// Reads `count` notes and leaves the state of each document: the last acknowledged value, and the
// one that was on its way.
struct Expected {
  int acknowledged = -1;
  std::optional<int> underway;
};
void read_notes(int notes, int count, std::map<int, Expected>& expected) {
  Note note{};
  for (int i = 0; i < count && ::read(notes, &note, sizeof note) == sizeof note; ++i) {
    Expected& state = expected[note.name];
    if (note.done) {
      state.acknowledged = note.value;
      state.underway.reset();
    } else {
      state.underway = note.value;
    }
  }
}

TEST_F(DirectoryStoreTest, WriterThatIsKilled_LeavesWholeDocumentsAndWhatItAcknowledged) {
  base::SeededRandom random(20'261'126);
  std::map<int, Expected> expected;
  for (std::uint64_t round = 0; round < 40; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    base::UniqueFd reading(ends[0]);
    base::UniqueFd writing(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
      write_until_killed(root(), writing.get(), round);
    }
    writing.reset();
    read_notes(reading.get(), 1 + static_cast<int>(random.below(40)), expected);
    // Some turns more, so that it dies at any point.
    for (std::uint64_t turns = random.below(100'000); turns > 0; --turns) {
      random.next();
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    read_notes(reading.get(), 1'000'000, expected);

    const auto store = open();
    EXPECT_TRUE(fs::is_empty(root() / ".new"));
    for (auto& [name, state] : expected) {
      const auto object = store->get(key("docs/" + std::to_string(name) + "/x"), 30'000);
      int value = -1;
      if (object) {
        value = std::stoi(text_of(*object));
      } else {
        ASSERT_EQ(object.error().kind(), ErrorKind::kNotFound) << object.error().message();
      }
      EXPECT_TRUE(value == state.acknowledged || value == state.underway)
          << "document " << name << " is " << value << ", acknowledged " << state.acknowledged;
      state = {.acknowledged = value, .underway = std::nullopt};
    }
  }
}

TEST_F(DirectoryStoreTest, AStoreThatVanishedIsNotAnEmptyOne) {
  const auto store = open();
  ASSERT_TRUE(store->put(key("apps/a"), as_bytes("x"), Precondition::any()).has_value());
  fs::rename(root(), folder_.path() / "elsewhere");
  fs::create_directories(root());  // the empty folder under a mount
  const auto got = store->get(key("apps/a"), 100);
  EXPECT_EQ(got.error().kind(), ErrorKind::kDisconnected);
  EXPECT_THAT(got.error().message(), HasSubstr("is it still mounted?"));
  EXPECT_EQ(store->list({.folder = key("apps")}).error().kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(store->has_blob(BlobHash()).error().kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(store->put(key("apps/a"), as_bytes("y"), Precondition::absent()).error().kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(store->put_blob(as_bytes("blob")).error().kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(store->remove(key("apps/a"), Precondition::any()).error().kind(),
            ErrorKind::kDisconnected);
  EXPECT_TRUE(fs::is_empty(root()));
  fs::remove(root());
  fs::rename(folder_.path() / "elsewhere", root());
  EXPECT_EQ(text_of(store->get(key("apps/a"), 100).value()), "x");
}

}  // namespace
}  // namespace selvedge::store
