// Files of logs that a crash has torn or somebody has changed: any bytes are refused, or are
// exactly the record of their entry.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/assert.h"
#include "crypto/blake3.h"
#include "logs/log_entry.h"

namespace {

namespace base = selvedge::base;
namespace logs = selvedge::logs;

void check(base::ByteSpan bytes) {
  const auto record = logs::read_record(bytes);
  if (record) {
    std::vector<std::byte> again;
    logs::append_record(again, record->entry);
    SELVEDGE_ASSERT(record->bytes <= bytes.size());
    SELVEDGE_ASSERT(std::ranges::equal(again, bytes.first(record->bytes)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  check(input);
  // What the checksum keeps a fuzzer from finding: any payload behind a right head.
  std::vector<std::byte> whole(logs::kRecordHeadBytes + input.size());
  selvedge::crypto::Blake3Hasher hasher;
  hasher.update(input);
  hasher.finalize_into(base::MutableByteSpan(whole).subspan(4, 8));
  base::ByteWriter(whole).write_le(static_cast<std::uint32_t>(size));
  std::ranges::copy(input, whole.begin() + logs::kRecordHeadBytes);
  check(whole);
  return 0;
}
