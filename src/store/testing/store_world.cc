#include "store/testing/store_world.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

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

std::string text_of(const Object& object) { return std::string(base::as_text(object.bytes)); }

Key key(std::string_view text) {
  auto parsed = Key::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed ? *std::move(parsed) : *Key::parse("invalid");
}

}  // namespace selvedge::store::testing
