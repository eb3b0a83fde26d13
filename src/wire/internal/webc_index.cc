#include "wire/internal/webc_index.h"

#include <utility>

#include "base/format.h"
#include "wire/internal/cbor.h"
#include "wire/internal/webc_format.h"
#include "wire/internal/webc_names.h"

namespace selvedge::wire::internal {
namespace {

constexpr std::string_view kNoChecksum = "checksum-none";
constexpr std::string_view kSha256Checksum = "checksum-sha256";
constexpr std::string_view kNoSignature = "signature-none";

class IndexDecoder {
 public:
  IndexDecoder(base::ByteSpan cbor, std::uint64_t offset, const WebcLimits& limits) noexcept
      : cursor_(cbor), offset_(offset), limits_(limits) {}

  Result<WebcIndex> decode() {
    WebcIndex index;
    bool manifest = false;
    bool atoms = false;
    bool volumes = false;
    bool signature = false;
    for (std::uint64_t pairs = cursor_.read_map(); pairs > 0 && cursor_.ok(); --pairs) {
      const std::string_view key = cursor_.read_text();
      if (key == "manifest" && first(manifest)) {
        SELVEDGE_TRY(index.manifest, entry());
      } else if (key == "atoms" && first(atoms)) {
        SELVEDGE_TRY(index.atoms, entry());
      } else if (key == "volumes" && first(volumes)) {
        SELVEDGE_TRY(index.volumes, this->volumes());
      } else if (key == "signature" && first(signature)) {
        SELVEDGE_TRY_VOID(this->signature());
      } else {
        cursor_.skip();
      }
    }
    if (!cursor_.ok() || !manifest || !atoms || !volumes || !signature) {
      return broken();
    }
    return index;
  }

 private:
  std::unexpected<Error> broken() const {
    return fail_format(ErrorKind::kInvalid, "the index of the package is malformed at byte {}",
                       offset_ + cursor_.position());
  }

  // Marks a key as seen; a second one is an error.
  bool first(bool& seen) noexcept {
    if (seen) {
      cursor_.fail();
    }
    return !std::exchange(seen, true);
  }

  Result<WebcIndexEntry> entry() {
    WebcIndexEntry entry;
    bool span = false;
    bool checksum = false;
    for (std::uint64_t pairs = cursor_.read_map(); pairs > 0 && cursor_.ok(); --pairs) {
      const std::string_view key = cursor_.read_text();
      if (key == "span" && first(span)) {
        SELVEDGE_TRY(entry.span, this->span());
      } else if (key == "checksum" && first(checksum)) {
        SELVEDGE_TRY(entry.checksum, this->checksum());
      } else {
        cursor_.skip();
      }
    }
    if (!cursor_.ok() || !span || !checksum) {
      return broken();
    }
    return entry;
  }

  Result<WebcSpan> span() {
    WebcSpan span;
    bool start = false;
    bool length = false;
    for (std::uint64_t pairs = cursor_.read_map(); pairs > 0 && cursor_.ok(); --pairs) {
      const std::string_view key = cursor_.read_text();
      if (key == "start" && first(start)) {
        span.start = cursor_.read_unsigned();
      } else if (key == "len" && first(length)) {
        span.length = cursor_.read_unsigned();
      } else {
        cursor_.skip();
      }
    }
    if (!cursor_.ok() || !start || !length) {
      return broken();
    }
    return span;
  }

  struct Tagged {
    std::string_view tag;
    base::ByteSpan value;
  };
  Result<Tagged> tagged() {
    Tagged tagged;
    bool tag = false;
    bool value = false;
    for (std::uint64_t pairs = cursor_.read_map(); pairs > 0 && cursor_.ok(); --pairs) {
      const std::string_view key = cursor_.read_text();
      if (key == "tag" && first(tag)) {
        tagged.tag = cursor_.read_text();
      } else if (key == "value" && first(value)) {
        tagged.value = cursor_.read_bytes();
      } else {
        cursor_.skip();
      }
    }
    const bool nothing = tagged.tag == kNoChecksum || tagged.tag == kNoSignature;
    if (!cursor_.ok() || !tag || !value || (nothing && !tagged.value.empty())) {
      return broken();
    }
    return tagged;
  }

  Result<std::optional<base::ByteSpan>> checksum() {
    SELVEDGE_TRY(const Tagged tagged, this->tagged());
    if (tagged.tag == kNoChecksum) {
      return std::nullopt;
    }
    if (tagged.tag != kSha256Checksum) {
      return fail_format(ErrorKind::kUnsupported,
                         "the package has a checksum that is not SHA-256 (at byte {})",
                         offset_ + cursor_.position());
    }
    if (tagged.value.size() != kHashBytes) {
      return broken();
    }
    return tagged.value;
  }

  Result<> signature() {
    SELVEDGE_TRY(const Tagged tagged, this->tagged());
    if (tagged.tag != kNoSignature) {
      return fail_format(ErrorKind::kUnsupported,
                         "the package has a signature of an unknown kind (at byte {})",
                         offset_ + cursor_.position());
    }
    return {};
  }

  Result<std::vector<WebcIndexVolume>> volumes() {
    std::vector<WebcIndexVolume> volumes;
    std::vector<std::string_view> names;
    for (std::uint64_t pairs = cursor_.read_map(); pairs > 0 && cursor_.ok(); --pairs) {
      if (volumes.size() == limits_.volumes_max) {
        return fail_format(ErrorKind::kOverloaded, "the package has more than {} volumes",
                           limits_.volumes_max);
      }
      const std::string_view name = cursor_.read_text();
      SELVEDGE_TRY(const WebcIndexEntry entry, this->entry());
      SELVEDGE_TRY_VOID(check_volume_name(name, limits_));
      volumes.push_back({.name = name, .entry = entry});
      names.push_back(name);
    }
    SELVEDGE_TRY_VOID(check_distinct(std::move(names), "volumes"));
    return volumes;
  }

  CborCursor cursor_;
  const std::uint64_t offset_;
  const WebcLimits& limits_;
};

void append_entry(CborAppender& out, const WebcIndexEntry& entry, std::uint64_t shift) {
  out.add_map(2);
  out.add_text("span");
  out.add_map(2);
  out.add_text("start");
  out.add_unsigned(entry.span.start + shift);
  out.add_text("len");
  out.add_unsigned(entry.span.length);
  out.add_text("checksum");
  out.add_map(2);
  out.add_text("tag");
  out.add_text(entry.checksum ? kSha256Checksum : kNoChecksum);
  out.add_text("value");
  out.add_bytes(entry.checksum.value_or(base::ByteSpan()));
}

}  // namespace

Result<WebcIndex> decode_index(base::ByteSpan cbor, std::uint64_t offset,
                               const WebcLimits& limits) {
  return IndexDecoder(cbor, offset, limits).decode();
}

std::vector<std::byte> encode_index(const WebcIndex& index, std::uint64_t shift) {
  std::vector<std::byte> bytes;
  CborAppender out(bytes);
  out.add_map(4);
  out.add_text("manifest");
  append_entry(out, index.manifest, shift);
  out.add_text("atoms");
  append_entry(out, index.atoms, shift);
  out.add_text("volumes");
  out.add_map(index.volumes.size());
  for (const WebcIndexVolume& volume : index.volumes) {
    out.add_text(volume.name);
    append_entry(out, volume.entry, shift);
  }
  out.add_text("signature");
  out.add_map(2);
  out.add_text("tag");
  out.add_text(kNoSignature);
  out.add_text("value");
  out.add_bytes({});
  return bytes;
}

}  // namespace selvedge::wire::internal
