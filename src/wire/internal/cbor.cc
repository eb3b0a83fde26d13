#include "wire/internal/cbor.h"

#include <array>
#include <bit>

namespace selvedge::wire::internal {
namespace {

// Major types.
constexpr unsigned kUnsigned = 0;
constexpr unsigned kBytes = 2;
constexpr unsigned kText = 3;
constexpr unsigned kArray = 4;
constexpr unsigned kMap = 5;
constexpr unsigned kTag = 6;

}  // namespace

CborCursor::Head CborCursor::read_head() noexcept {
  item_ = position_;
  const base::ByteSpan first = take(1);
  if (!ok_) {
    return {};
  }
  const auto initial = std::to_integer<unsigned>(first[0]);
  const unsigned additional = initial & 0x1fU;
  Head head{.major = initial >> 5U, .argument = additional};
  if (additional < 24) {
    return head;
  }
  if (additional > 27) {  // reserved, or of indefinite length
    fail();
    return {};
  }
  head.argument = 0;
  for (const std::byte byte : take(std::uint64_t{1} << (additional - 24))) {
    head.argument = head.argument << 8U | std::to_integer<std::uint64_t>(byte);
  }
  return ok_ ? head : Head{};
}

std::uint64_t CborCursor::expect(unsigned major) noexcept {
  const Head head = read_head();
  if (!ok_ || head.major != major) {
    fail();
    return 0;
  }
  return head.argument;
}

base::ByteSpan CborCursor::take(std::uint64_t count) noexcept {
  if (!ok_ || count > data_.size() - position_) {
    fail();
    return {};
  }
  position_ += static_cast<std::size_t>(count);
  return data_.subspan(position_ - static_cast<std::size_t>(count),
                       static_cast<std::size_t>(count));
}

std::uint64_t CborCursor::read_unsigned() noexcept { return expect(kUnsigned); }
base::ByteSpan CborCursor::read_bytes() noexcept { return take(expect(kBytes)); }
std::string_view CborCursor::read_text() noexcept { return base::as_text(take(expect(kText))); }
std::uint64_t CborCursor::read_map() noexcept { return expect(kMap); }

// Without recursion: counts the items that are still to be passed.
void CborCursor::skip() noexcept {
  for (std::uint64_t items = 1; items > 0 && ok_; --items) {
    const Head head = read_head();
    const std::uint64_t left = data_.size() - position_;
    switch (head.major) {
      case kBytes:
      case kText:
        take(head.argument);
        break;
      case kArray:
      case kMap: {
        // Every item takes a byte, so that more of them than bytes cannot come.
        if (head.argument > left) {
          fail();
          return;
        }
        items += head.major == kMap ? 2 * head.argument : head.argument;
        break;
      }
      case kTag:
        ++items;
        break;
      default:
        break;
    }
    if (items > left + 1) {
      fail();
    }
  }
}

void CborAppender::add_unsigned(std::uint64_t value) { add_head(kUnsigned, value); }

void CborAppender::add_bytes(base::ByteSpan bytes) {
  add_head(kBytes, bytes.size());
  out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void CborAppender::add_text(std::string_view text) {
  add_head(kText, text.size());
  const base::ByteSpan bytes = base::as_bytes(text);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void CborAppender::add_map(std::uint64_t pairs) { add_head(kMap, pairs); }

void CborAppender::add_head(unsigned major, std::uint64_t argument) {
  unsigned additional = 0;
  std::size_t width = 0;
  if (argument < 24) {
    additional = static_cast<unsigned>(argument);
  } else {
    const unsigned exponent = argument <= 0xff          ? 0U
                              : argument <= 0xffff      ? 1U
                              : argument <= 0xffff'ffff ? 2U
                                                        : 3U;
    additional = 24 + exponent;
    width = std::size_t{1} << exponent;
  }
  out_.push_back(static_cast<std::byte>(major << 5U | additional));
  for (std::size_t i = width; i > 0; --i) {
    out_.push_back(static_cast<std::byte>(argument >> (8 * (i - 1)) & 0xffU));
  }
}

}  // namespace selvedge::wire::internal
