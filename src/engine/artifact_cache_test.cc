// Goal: only whole artifacts that this key made are ever handed out. Method: real files in a
// temporary folder, damaged in every way that matters.

#include "engine/artifact_cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "base/log.h"
#include "engine/testing/guests.h"

namespace selvedge::engine {
namespace {

namespace fs = std::filesystem;
using testing::Guest;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "selvedge-cache-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::ssize(bytes));
}

class ArtifactCacheTest : public ::testing::Test {
 protected:
  // Damaged files are what these tests are about: no warnings.
  ArtifactCacheTest() { log::set_level(log::Level::kError); }
  ~ArtifactCacheTest() override { log::set_level(log::Level::kInfo); }

  std::unique_ptr<ArtifactCache> open(std::uint64_t bytes_max = 1 << 30) {
    auto cache = ArtifactCache::open(folder_.path() / "cache", std::nullopt, &random_, bytes_max);
    EXPECT_TRUE(cache.has_value()) << cache.error().message();
    return *std::move(cache);
  }
  static ArtifactCache::ArtifactId id(unsigned char first) {
    ArtifactCache::ArtifactId id{};
    id[0] = std::byte{first};
    return id;
  }

  TemporaryFolder folder_;
  base::SeededRandom random_{7};
};

TEST_F(ArtifactCacheTest, WhatAKilledProcessLeft_IsRemovedAndNothingElse) {
  const auto cache = open();
  ASSERT_TRUE(cache->store(id(1), base::as_bytes("native code")).has_value());
  const fs::path abandoned = cache->path_of(id(2)).string() + ".aB3xYz";
  const fs::path underway = cache->path_of(id(3)).string() + ".aB3xYz";
  write_file(abandoned, "nati");
  write_file(underway, "nati");
  const base::UniqueFd writer(::open(underway.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(writer.get(), LOCK_EX), 0);
  EXPECT_TRUE(open()->find(id(1)).has_value());
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_TRUE(fs::exists(underway));
}

TEST_F(ArtifactCacheTest, Stored_IsFoundAgainByAnotherOpening) {
  EXPECT_TRUE(open()->store(id(1), base::as_bytes("native code")).has_value());
  auto file = open()->find(id(1));
  ASSERT_TRUE(file.has_value());
  std::array<char, 11> text{};
  EXPECT_EQ(::pread(file->get(), text.data(), text.size(), 0), 11);
  EXPECT_EQ(std::string_view(text.data(), text.size()), "native code");
  EXPECT_FALSE(open()->find(id(2)).has_value());
}

TEST_F(ArtifactCacheTest, EveryChangedByteAndEveryTruncation_IsNoticed) {
  const auto cache = open();
  ASSERT_TRUE(cache->store(id(1), base::as_bytes("native code")).has_value());
  const fs::path path = cache->path_of(id(1));
  const std::string whole = read_file(path);
  for (std::size_t index = 0; index < whole.size(); ++index) {
    std::string damaged = whole;
    damaged[index] = static_cast<char>(damaged[index] ^ 0x10);
    write_file(path, damaged);
    EXPECT_FALSE(cache->find(id(1)).has_value()) << "byte " << index;
    write_file(path, std::string_view(whole).substr(0, index));
    EXPECT_FALSE(cache->find(id(1)).has_value()) << "first " << index << " bytes";
  }
  write_file(path, whole + "x");
  EXPECT_FALSE(cache->find(id(1)).has_value());
  write_file(path, whole);
  EXPECT_TRUE(cache->find(id(1)).has_value());
}

TEST_F(ArtifactCacheTest, ArtifactUnderAnotherName_IsForeign) {
  const auto cache = open();
  ASSERT_TRUE(cache->store(id(1), base::as_bytes("native code")).has_value());
  fs::copy_file(cache->path_of(id(1)), cache->path_of(id(2)));
  EXPECT_FALSE(cache->find(id(2)).has_value());
}

TEST_F(ArtifactCacheTest, ArtifactOfAnotherKey_IsForeign) {
  ASSERT_TRUE(open()->store(id(1), base::as_bytes("native code")).has_value());
  ArtifactCache::Key other{};
  auto cache = ArtifactCache::open(folder_.path() / "cache", other, nullptr, 1 << 30);
  ASSERT_TRUE(cache.has_value());
  EXPECT_FALSE((*cache)->find(id(1)).has_value());
}

TEST_F(ArtifactCacheTest, KeyFile_IsPrivateAndKept) {
  open();
  const fs::path key = folder_.path() / "cache" / "artifact.key";
  struct stat status{};
  ASSERT_EQ(::stat(key.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(status.st_size, 32);
  const std::string before = read_file(key);
  open();
  EXPECT_EQ(read_file(key), before);
}

TEST_F(ArtifactCacheTest, KeyFile_Truncated_IsAnError) {
  open();
  fs::resize_file(folder_.path() / "cache" / "artifact.key", 5);
  const auto cache = ArtifactCache::open(folder_.path() / "cache", std::nullopt, &random_, 1 << 30);
  ASSERT_FALSE(cache.has_value());
  EXPECT_THAT(cache.error().message(), ::testing::HasSubstr("artifact.key"));
}

TEST_F(ArtifactCacheTest, FolderThatOthersMayWrite_IsRefused) {
  open();
  ::chmod((folder_.path() / "cache").c_str(), 0777);
  const auto cache = ArtifactCache::open(folder_.path() / "cache", std::nullopt, &random_, 1 << 30);
  ASSERT_FALSE(cache.has_value());
  EXPECT_EQ(cache.error().kind(), ErrorKind::kDenied);
}

TEST_F(ArtifactCacheTest, FileThatOthersMayWrite_IsForeign) {
  const auto cache = open();
  ASSERT_TRUE(cache->store(id(1), base::as_bytes("native code")).has_value());
  ::chmod(cache->path_of(id(1)).c_str(), 0666);
  EXPECT_FALSE(cache->find(id(1)).has_value());
}

TEST_F(ArtifactCacheTest, SymbolicLink_IsNotFollowed) {
  const auto cache = open();
  ASSERT_TRUE(cache->store(id(1), base::as_bytes("native code")).has_value());
  const fs::path elsewhere = folder_.path() / "elsewhere";
  fs::rename(cache->path_of(id(1)), elsewhere);
  fs::create_symlink(elsewhere, cache->path_of(id(1)));
  EXPECT_FALSE(cache->find(id(1)).has_value());
}

TEST_F(ArtifactCacheTest, BeyondItsSize_TheOldestGo) {
  const auto cache = open(/*bytes_max=*/250);
  const std::string artifact(100, 'x');
  for (unsigned char number = 1; number <= 3; ++number) {
    ASSERT_TRUE(cache->store(id(number), base::as_bytes(artifact)).has_value());
    fs::last_write_time(cache->path_of(id(number)),
                        fs::file_time_type::clock::now() - std::chrono::hours(10 - number));
  }
  EXPECT_FALSE(fs::exists(cache->path_of(id(1))));
  EXPECT_TRUE(cache->find(id(3)).has_value());
}

// The cache behind the engine: what is damaged is compiled again and works.
class EngineCacheTest : public ArtifactCacheTest {
 protected:
  static constexpr std::string_view kWat =
      R"((module (memory (export "memory") 1) (data (i32.const 0) "\07")
         (func (export "f") (result i32) (i32.load (i32.const 0)))))";

  std::unique_ptr<Engine> engine() {
    EngineOptions options = testing::small_pool();
    options.cache_folder = folder_.path() / "cache";
    options.random = &random_;
    return testing::make_engine(std::move(options));
  }
  // Loads the module in a new engine, runs it, and tells whether it was compiled.
  bool load_compiles() {
    const auto fresh = engine();
    bool compiled = false;
    const auto wasm = wat_to_wasm(kWat);
    auto module =
        fresh->load(*wasm, {.progress = [&](const CompileProgress&) { compiled = true; }});
    EXPECT_TRUE(module.has_value());
    const HostFunctions functions(*fresh);
    Guest guest(functions, *module);
    EXPECT_EQ(guest.run("f").result, 7u);
    return compiled;
  }
  fs::path artifact() {
    for (const auto& file : fs::directory_iterator(folder_.path() / "cache")) {
      if (file.path().extension() == ".artifact") {
        return file.path();
      }
    }
    return {};
  }
};

TEST_F(EngineCacheTest, SecondLoad_ComesFromTheCache) {
  EXPECT_TRUE(load_compiles());
  EXPECT_FALSE(load_compiles());
}

TEST_F(EngineCacheTest, DamagedArtifact_IsCompiledAgain) {
  EXPECT_TRUE(load_compiles());
  std::string bytes = read_file(artifact());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(artifact(), bytes);
  EXPECT_TRUE(load_compiles());
  EXPECT_FALSE(load_compiles());
}

TEST_F(EngineCacheTest, ForeignKey_IsCompiledAgain) {
  EXPECT_TRUE(load_compiles());
  write_file(folder_.path() / "cache" / "artifact.key", std::string(32, 'k'));
  EXPECT_TRUE(load_compiles());
}

TEST_F(EngineCacheTest, Find_TakesArtifactsOfTheHash_AndWhatIsInMemory) {
  const auto wasm = wat_to_wasm(kWat);
  ContentHash hash;
  {
    const auto e = engine();
    const auto module = e->load(*wasm);
    ASSERT_TRUE(module.has_value());
    hash = (*module)->content_hash();
    EXPECT_EQ(e->find(hash), *module);
  }
  const auto fresh = engine();
  ContentHash other = hash;
  other[0] ^= std::byte{1};
  EXPECT_EQ(fresh->find(other), nullptr);
  const auto found = fresh->find(hash);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(fresh->load(*wasm).value(), found);
  const HostFunctions functions(*fresh);
  Guest guest(functions, found);
  EXPECT_EQ(guest.run("f").result, 7u);
}

TEST_F(EngineCacheTest, Find_OfADamagedArtifact_IsNothing_AndLoadStillWorks) {
  const auto wasm = wat_to_wasm(kWat);
  const ContentHash hash = engine()->load(*wasm).value()->content_hash();
  std::string bytes = read_file(artifact());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(artifact(), bytes);
  const auto fresh = engine();
  EXPECT_EQ(fresh->find(hash), nullptr);
  const auto loaded = fresh->load(*wasm);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ((*loaded)->content_hash(), hash);
}

TEST_F(EngineCacheTest, SameModuleTwice_IsOneModule) {
  const auto e = engine();
  const auto wasm = wat_to_wasm(kWat);
  const auto first = e->load(*wasm);
  const auto second = e->load(*wasm);
  EXPECT_EQ(first->get(), second->get());
}

}  // namespace
}  // namespace selvedge::engine
