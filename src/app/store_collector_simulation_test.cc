#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>

#include "app/app_store.h"
#include "app/store_collector.h"
#include "app/testing/fiber.h"
#include "base/bytes.h"
#include "base/random.h"
#include "store/testing/memory_store.h"

// Goal: whatever the order in which nodes deploy, collect, delete and die, every version has its
// package and its blobs, and what is active exists. Method: a model in which actors, one of them
// running at a time, change places at calls of the store, as a seed says; the state is checked
// after each change.

namespace selvedge::app {
namespace {

using app::testing::Fiber;
using store::testing::MemoryStore;

constexpr std::chrono::seconds kGrace = std::chrono::hours(24);
constexpr std::array<std::string_view, 4> kContents = {"blob a", "blob b", "blob c", "blob d"};

class World;

class WorldClock final : public base::Clock {
 public:
  explicit WorldClock(const MemoryStore& store, std::chrono::hours apart) noexcept
      : store_(store), apart_(apart) {}
  base::MonotonicTime now() const noexcept override {
    return base::MonotonicTime(std::chrono::seconds(store_.time()));
  }
  // Clocks of nodes differ.
  base::WallTime wall_now() const noexcept override {
    return base::WallTime(std::chrono::seconds(store_.time()) + apart_);
  }

 private:
  const MemoryStore& store_;
  std::chrono::hours apart_;
};

// Each actor has a stack of its own, all on one thread: so a busy machine makes it no slower.
class World {
 public:
  // In some worlds actors change places at every other call, in some they go on for long.
  explicit World(std::uint64_t seed) : random_(seed), turn_(2 + seed % 12) {}

  MemoryStore& store() noexcept { return store_; }
  base::Random& random() noexcept { return random_; }
  bool chance(std::uint64_t of) { return random_.below(of) == 0; }

  std::size_t add(std::function<void()> play) {
    actors_.push_back(std::make_unique<Fiber>(std::move(play)));
    return actors_.size() - 1;
  }

  // Until all have ended.
  void run() {
    while (Fiber* const next = choose()) {
      next->resume();
    }
  }

  // Perhaps others go on first, and time passes.
  void step(std::size_t actor) {
    if (chance(8)) {
      store_.set_time(store_.time() + static_cast<std::int64_t>(random_.below(30)));
    }
    // Days pass only where no deploy is about to write its version.
    if (critical_ == 0 && chance(10)) {
      store_.set_time(store_.time() + static_cast<std::int64_t>(random_.below(30 * 3600)));
    }
    if (chance(turn_)) {
      actors_[actor]->suspend();
    }
  }

  void enter() noexcept { ++critical_; }
  void leave() noexcept { --critical_; }

  // The versions of the site that requests go to.
  std::vector<VersionWeight> chosen() {
    const auto object = store_.get(*store::Key::parse("apps/site/active"), kRecordBytesMax);
    return object.has_value() ? parse_active_record(base::as_text(object->bytes))->versions
                              : std::vector<VersionWeight>();
  }

  // What must hold at any moment.
  void check() {
    base::SeededRandom none(1);
    WorldClock clock(store_, std::chrono::hours(0));
    AppStore apps(store_, clock);
    const auto names = apps.apps();
    ASSERT_TRUE(names.has_value());
    for (const std::string& app : *names) {
      for (const VersionNumber number : apps.versions(app).value()) {
        const auto record = apps.version(app, number);
        const auto image = apps.image(record->package);
        ASSERT_TRUE(image.has_value()) << app << " " << number << image.error().message();
        for (const BlobReference& blob : blobs_of(*image)) {
          ASSERT_TRUE(store_.has_blob(blob.hash).value()) << app << " " << number;
        }
      }
      const auto active = apps.active(app).value();
      for (const VersionWeight& entry : active ? active->versions : std::vector<VersionWeight>()) {
        ASSERT_TRUE(apps.version(app, entry.version).has_value()) << app << " " << entry.version;
      }
    }
  }

 private:
  // Any that still plays; null when none does.
  Fiber* choose() {
    std::vector<Fiber*> playing;
    playing.reserve(actors_.size());
    for (const auto& actor : actors_) {
      if (!actor->ended()) {
        playing.push_back(actor.get());
      }
    }
    return playing.empty() ? nullptr : playing[random_.below(playing.size())];
  }

  MemoryStore store_;
  base::SeededRandom random_;
  std::uint64_t turn_;
  std::vector<std::unique_ptr<Fiber>> actors_;
  int critical_ = 0;
};

// What one process sees of the store. After its death nothing of it reaches the store.
class ActorStore final : public store::Store, public store::Pause {
 public:
  ActorStore(World& world, std::size_t actor, bool collects) noexcept
      : world_(world), actor_(actor), collects_(collects) {}

  bool wait(base::Duration duration) override {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(duration).count();
    world_.store().set_time(world_.store().time() + seconds);
    world_.step(actor_);
    return !dead_;
  }
  void revive() noexcept { dead_ = false; }
  bool dead() const noexcept { return dead_; }

  Result<store::Object> get(const store::Key& key, std::size_t bytes_max) override {
    return call([&](auto& store) { return store.get(key, bytes_max); });
  }
  Result<std::optional<store::Object>> get_if_changed(const store::Key& key,
                                                      const store::Revision& known,
                                                      std::size_t bytes_max) override {
    return call([&](auto& store) { return store.get_if_changed(key, known, bytes_max); });
  }
  Result<store::Revision> put(const store::Key& key, base::ByteSpan bytes,
                              const store::Precondition& precondition) override {
    return change([&](auto& store) {
      const auto before = world_.chosen();
      auto written = store.put(key, bytes, precondition);
      // A collection changes no choice of versions, and so takes back no activation.
      EXPECT_TRUE(!collects_ || world_.chosen() == before) << key.text();
      return written;
    });
  }
  Result<> remove(const store::Key& key, const store::Precondition& precondition) override {
    return change([&](auto& store) { return store.remove(key, precondition); });
  }
  Result<store::ListPage> list(const store::ListOptions& options) override {
    // Small pages: more happens between them.
    return call([&](auto& store) {
      return store.list({.folder = options.folder, .start_after = options.start_after, .limit = 3});
    });
  }
  Result<std::optional<std::uint64_t>> find_blob(const store::BlobHash& hash) override {
    return call([&](auto& store) { return store.find_blob(hash); });
  }
  Result<> write_blob(store::BlobSource& source) override {
    return change([&](auto& store) { return store.write_blob(source); });
  }
  Result<> read_blob(const store::BlobHash& hash, std::uint64_t bytes_max,
                     store::BlobSink& sink) override {
    return call([&](auto& store) { return store.read_blob(hash, bytes_max, sink); });
  }

 private:
  template <class Function>
  std::invoke_result_t<Function&, MemoryStore&> call(Function function) {
    world_.step(actor_);
    dead_ = dead_ || world_.chance(300);
    if (dead_) {
      return fail(ErrorKind::kDisconnected, "dead");
    }
    return function(world_.store());
  }
  template <class Function>
  std::invoke_result_t<Function&, MemoryStore&> change(Function function) {
    auto done = call(function);
    world_.check();
    return done;
  }

  World& world_;
  std::size_t actor_;
  bool collects_;
  bool dead_ = false;
};

struct Counts {
  int deploys = 0;
  std::uint64_t blobs_removed = 0;
  std::uint64_t versions_removed = 0;
};

// The steps of `selvedge deploy`.
Result<> deploy(World& world, ActorStore& store, AppStore& apps) {
  PackageImage image{
      .name = "p", .version = "1", .entrypoint = {}, .modules = {}, .volumes = {}, .commands = {}};
  std::vector<crypto::Blake3Hash> hashes;
  for (const std::string_view content : kContents) {
    if (image.modules.empty() || world.chance(2)) {
      const auto hash = crypto::blake3(base::as_bytes(content));
      image.modules.push_back({.name = std::string(content.substr(5)),
                               .blob = {.hash = hash, .bytes = content.size()}});
      hashes.push_back(hash);
    }
  }
  image.commands.push_back({.name = "main",
                            .module = image.modules.front().name,
                            .runner = {},
                            .program_name = "main",
                            .main_args = {},
                            .environment = {}});
  SELVEDGE_TRY(const auto missing, apps.missing_blobs(hashes));
  for (const std::string_view content : kContents) {
    const auto hash = crypto::blake3(base::as_bytes(content));
    if (std::ranges::find(missing, hash) != missing.end()) {
      SELVEDGE_TRY_VOID(use_blobs(store, &store, {hash}));
      SELVEDGE_TRY_VOID(store.put_blob(base::as_bytes(content)));
    }
  }
  world.enter();
  auto made = [&]() -> Result<VersionRecord> {
    SELVEDGE_TRY(const auto package, apps.put_image(image));
    return apps.create_version(world.chance(3) ? "other" : "site", package, "config");
  }();
  world.leave();
  if (!made.has_value()) {
    return fail(std::move(made).error());
  }
  return apps.activate("site", {.versions = {{.version = made->number, .weight = 1}}});
}

void simulate(std::uint64_t seed, Counts& counts) {
  World world(seed);
  for (int node = 0; node < 2; ++node) {
    const std::size_t actor = world.add([&world, &counts, node] {
      ActorStore store(world, static_cast<std::size_t>(node), false);
      WorldClock clock(world.store(), std::chrono::hours(3 * node));
      AppStore apps(store, clock, &store);
      for (int i = 0; i < 4; ++i) {
        store.revive();
        counts.deploys += deploy(world, store, apps).has_value() ? 1 : 0;
        if (world.chance(4)) {
          [[maybe_unused]] const auto removed = apps.remove_app("other");
        } else if (world.chance(3)) {
          const VersionNumber old = 1 + world.random().below(4);
          [[maybe_unused]] const auto back =
              apps.activate("site", {.versions = {{.version = old, .weight = 1}}});
        }
      }
    });
    ASSERT_EQ(actor, static_cast<std::size_t>(node));
  }
  for (int node = 2; node < 4; ++node) {
    const std::size_t actor = world.add([&world, &counts, node] {
      ActorStore store(world, static_cast<std::size_t>(node), true);
      WorldClock clock(world.store(), std::chrono::hours(-2 * node));
      StoreCollector collector({.store = store,
                                .clock = clock,
                                .holder = "node" + std::to_string(node) + "-1",
                                .node = "node" + std::to_string(node),
                                .versions_kept = 2,
                                .grace = kGrace});
      for (int i = 0; i < 4; ++i) {
        if (store.dead()) {
          store.revive();
          [[maybe_unused]] const auto recovered = collector.recover();
        }
        const auto report = collector.collect(false);
        counts.blobs_removed += report.has_value() ? report->blobs : 0;
        counts.versions_removed += report.has_value() ? report->versions : 0;
        if (!report.has_value() && report.error().kind() == ErrorKind::kInternal) {
          ADD_FAILURE() << report.error().message();
        }
      }
    });
    ASSERT_EQ(actor, static_cast<std::size_t>(node));
  }
  world.run();
}

TEST(StoreCollectorSimulationTest, AnyOrderOfDeploysAndCollections_LeavesEveryVersionWhole) {
  constexpr std::uint64_t kSeeds = 300;
  Counts counts;
  for (std::uint64_t seed = 1; seed <= kSeeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    simulate(seed, counts);
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << "seed " << seed;
    }
  }
  // Else nothing was proven.
  EXPECT_GT(counts.deploys, static_cast<int>(kSeeds));
  EXPECT_GT(counts.blobs_removed, kSeeds / 2);
  EXPECT_GT(counts.versions_removed, kSeeds / 2);
  RecordProperty("deploys", counts.deploys);
  RecordProperty("blobs_removed", static_cast<int>(counts.blobs_removed));
  RecordProperty("versions_removed", static_cast<int>(counts.versions_removed));
}

}  // namespace
}  // namespace selvedge::app
