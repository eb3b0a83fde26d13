#include "store/internal/document_frame.h"

#include <algorithm>

#include "base/format.h"
#include "crypto/blake3.h"

namespace selvedge::store::internal {
namespace {

struct Head {
  std::string_view write_id;
  crypto::Blake3Hash hash;
};

bool is_hex_digit(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

crypto::Blake3Hash hash_of(std::string_view write_id, base::ByteSpan bytes) {
  crypto::Blake3Hasher hasher;
  hasher.update(base::as_bytes(write_id));
  hasher.update(bytes);
  return hasher.finalize();
}

Result<Head> parse_head(base::ByteSpan frame [[clang::lifetimebound]]) {
  const std::string_view text = base::as_text(frame.first(std::min(frame.size(), kFrameHeadBytes)));
  if (text.size() == kFrameHeadBytes && text.starts_with(kFrameMagic) && text.ends_with('\n')) {
    const std::string_view write_id = text.substr(kFrameMagic.size(), kWriteIdBytes);
    const std::string_view rest = text.substr(kFrameMagic.size() + kWriteIdBytes);
    const auto hash = crypto::Blake3Hash::from_hex(rest.substr(1, crypto::Blake3Hash::kHexSize));
    if (std::ranges::all_of(write_id, is_hex_digit) && rest.front() == ' ' && hash) {
      return Head{.write_id = write_id, .hash = *hash};
    }
  }
  return fail(ErrorKind::kInternal, "this is not a document that Selvedge wrote");
}

}  // namespace

std::string make_write_id(base::Random& random) {
  std::array<std::byte, kWriteIdBytes / 2> bytes;
  random.fill(bytes);
  std::string text;
  for (const std::byte byte : bytes) {
    fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

std::vector<std::byte> frame_document(std::string_view write_id, base::ByteSpan bytes) {
  const std::string head =
      fmt::format("{}{} {}\n", kFrameMagic, write_id, hash_of(write_id, bytes).hex());
  std::vector<std::byte> frame;
  frame.reserve(head.size() + bytes.size());
  const base::ByteSpan head_bytes = base::as_bytes(head);
  frame.insert(frame.end(), head_bytes.begin(), head_bytes.end());
  frame.insert(frame.end(), bytes.begin(), bytes.end());
  return frame;
}

Result<DocumentFrame> parse_document(base::ByteSpan frame) {
  SELVEDGE_TRY(const Head head, parse_head(frame));
  const base::ByteSpan bytes = frame.subspan(kFrameHeadBytes);
  if (hash_of(head.write_id, bytes) != head.hash) {
    return fail(ErrorKind::kInternal, "the document is damaged: its hash is another");
  }
  return DocumentFrame{.write_id = std::string(head.write_id), .bytes = bytes};
}

Result<std::string> parse_write_id(base::ByteSpan head) {
  SELVEDGE_TRY(const Head parsed, parse_head(head));
  return std::string(parsed.write_id);
}

}  // namespace selvedge::store::internal
