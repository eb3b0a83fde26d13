#include "app/blob_uses.h"

#include <algorithm>

#include "app/app_records.h"
#include "app/internal/store_listing.h"
#include "app/json_reader.h"
#include "base/bytes.h"
#include "base/format.h"
#include "base/log.h"

namespace selvedge::app {
namespace {

using crypto::Blake3Hash;
using store::Key;
using store::Precondition;

constexpr std::string_view kCollectionClock = "collection/clock";
constexpr base::Duration kWaitStep = std::chrono::milliseconds(100);
// Together 20 s: longer than any removal that goes well.
constexpr int kWaitsMax = 200;
constexpr std::size_t kHolderBytesMax = 128;

nlohmann::json hashes_json(std::span<const Blake3Hash> hashes) {
  nlohmann::json list = nlohmann::json::array();
  for (const Blake3Hash& hash : hashes) {
    list.push_back(hash.hex());
  }
  return list;
}

Result<std::vector<Blake3Hash>> parse_hashes(const JsonObject& object, std::string_view key) {
  SELVEDGE_TRY(const auto texts, object.texts(key));
  std::vector<Blake3Hash> hashes;
  for (const std::string& text : texts) {
    SELVEDGE_TRY(const auto hash, Blake3Hash::from_hex(text));
    hashes.push_back(hash);
  }
  return hashes;
}

// Takes the place of a collection that has died in the middle, if it is that.
Result<bool> replace_abandoned(store::Store& store, const CollectionState& state) {
  SELVEDGE_TRY(const CollectionTimes times, read_collection_times(store));
  const std::int64_t age = times.state.has_value() ? times.now - *times.state : 0;
  // A clock that was set back makes no collection immortal.
  if (std::chrono::abs(std::chrono::seconds(age)) < kAbandonedTime) {
    return false;
  }
  SELVEDGE_TRY(const Key key, Key::parse(kCollectionState));
  log::warning("store collection holder={} has not ended, its removals are given up",
               state.record.holder);
  auto written = store.put(key, base::as_bytes(to_json(CollectionRecord{})),
                           Precondition::matches(state.revision));
  if (!written.has_value() && written.error().kind() != ErrorKind::kConflict) {
    return fail(std::move(written).error());
  }
  return true;
}

}  // namespace

std::string use_json(std::span<const Blake3Hash> hashes) {
  return json_text({{"hashes", hashes_json(hashes)}});
}

Result<std::vector<Blake3Hash>> parse_use(std::string_view json) {
  SELVEDGE_TRY(const auto document, parse_json(json, "the use"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "use"));
  SELVEDGE_TRY(auto hashes, parse_hashes(root, "hashes"));
  if (hashes.empty()) {
    return fail(ErrorKind::kInvalid, "use.hashes is missing");
  }
  return hashes;
}

Result<Key> use_key(std::string_view json) {
  return Key::parse(fmt::format("{}/{}", kUsesFolder, crypto::blake3(base::as_bytes(json)).hex()));
}

std::string to_json(const CollectionRecord& record) {
  return json_text({{"holder", record.holder}, {"removing", hashes_json(record.removing)}});
}

Result<CollectionRecord> parse_collection_record(std::string_view json) {
  SELVEDGE_TRY(const auto document, parse_json(json, "the collection"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "collection"));
  CollectionRecord record;
  SELVEDGE_TRY(record.holder, root.text("holder"));
  SELVEDGE_TRY(record.removing, parse_hashes(root, "removing"));
  if (record.holder.size() > kHolderBytesMax || record.removing.size() > kRemovingMax) {
    return fail(ErrorKind::kInvalid, "the collection is malformed");
  }
  return record;
}

Result<std::optional<CollectionState>> read_collection(store::Store& store) {
  SELVEDGE_TRY(const Key key, Key::parse(kCollectionState));
  auto object = store.get(key, kRecordBytesMax);
  if (!object.has_value()) {
    return object.error().kind() == ErrorKind::kNotFound
               ? Result<std::optional<CollectionState>>(std::nullopt)
               : fail(std::move(object).error());
  }
  if (object->stale) {
    return fail(ErrorKind::kDisconnected, "the store does not answer");
  }
  auto record = parse_collection_record(base::as_text(object->bytes));
  if (!record.has_value()) {
    return fail_format(ErrorKind::kInternal, "the store's document {} is malformed: {}",
                       kCollectionState, record.error().message());
  }
  return std::optional(
      CollectionState{.record = *std::move(record), .revision = std::move(object->revision)});
}

Result<CollectionTimes> read_collection_times(store::Store& store) {
  SELVEDGE_TRY(const Key clock, Key::parse(kCollectionClock));
  SELVEDGE_TRY(const Key folder, Key::parse(kCollectionFolder));
  SELVEDGE_TRY_VOID(store.put(clock, {}, Precondition::any()));
  std::optional<std::int64_t> now;
  CollectionTimes times;
  SELVEDGE_TRY_VOID(
      internal::for_each_entry(store, folder, [&](const store::ListEntry& entry) -> Result<> {
        if (entry.key == clock) {
          now = entry.written;
        } else if (entry.key.text() == kCollectionState) {
          times.state = entry.written;
        }
        return {};
      }));
  if (!now.has_value()) {
    return fail(ErrorKind::kUnsupported, "the store does not say when its documents were written");
  }
  times.now = *now;
  return times;
}

Result<> use_blobs(store::Store& store, store::Pause* pause, std::vector<Blake3Hash> hashes) {
  std::ranges::sort(hashes);
  const auto repeated = std::ranges::unique(hashes);
  hashes.erase(repeated.begin(), repeated.end());
  for (std::size_t begin = 0; begin < hashes.size(); begin += kUseHashesMax) {
    const std::string json =
        use_json(std::span(hashes).subspan(begin, std::min(kUseHashesMax, hashes.size() - begin)));
    SELVEDGE_TRY(const Key key, use_key(json));
    SELVEDGE_TRY_VOID(store.put(key, base::as_bytes(json), Precondition::any()));
  }
  for (int waits = 0;; ++waits) {
    SELVEDGE_TRY(const auto state, read_collection(store));
    if (!state.has_value() ||
        std::ranges::none_of(state->record.removing, [&hashes](const Blake3Hash& hash) {
          return std::ranges::binary_search(hashes, hash);
        })) {
      return {};
    }
    if (waits == kWaitsMax || pause == nullptr || !pause->wait(kWaitStep)) {
      SELVEDGE_TRY(const bool replaced, replace_abandoned(store, *state));
      if (!replaced) {
        return fail_format(
            ErrorKind::kOverloaded,
            "a collection is removing a blob of this package from the store at this "
            "moment; deploy again in {} minutes at the latest",
            std::chrono::duration_cast<std::chrono::minutes>(kAbandonedTime).count());
      }
      waits = 0;
    }
  }
}

}  // namespace selvedge::app
