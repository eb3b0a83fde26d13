#pragma once

// Bounded cursors over bytes with a sticky error: after the first overrun every later operation is
// a no-op that yields zero or an empty span, so a parser reads straight through and checks ok()
// once before it believes what it read.

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace selvedge::base {

using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

inline ByteSpan as_bytes(std::string_view text [[clang::lifetimebound]]) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(ByteSpan bytes [[clang::lifetimebound]]) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <std::unsigned_integral T>
constexpr T to_endian(T value, std::endian order) noexcept {
  if constexpr (sizeof(T) > 1) {
    return order == std::endian::native ? value : std::byteswap(value);
  }
  return value;
}

class ByteReader {
 public:
  explicit ByteReader(ByteSpan data [[clang::lifetimebound]]) noexcept : data_(data) {}

  bool ok() const noexcept { return ok_; }
  std::size_t position() const noexcept { return position_; }
  std::size_t remaining() const noexcept { return ok_ ? data_.size() - position_ : 0; }
  void fail() noexcept { ok_ = false; }

  template <std::unsigned_integral T>
  T read_le() noexcept {
    return read<T>(std::endian::little);
  }
  template <std::unsigned_integral T>
  T read_be() noexcept {
    return read<T>(std::endian::big);
  }

  // The next `count` bytes, inside the input; empty on overrun.
  ByteSpan read_bytes(std::size_t count) noexcept {
    if (!take(count)) {
      return {};
    }
    return data_.subspan(position_ - count, count);
  }
  void skip(std::size_t count) noexcept { take(count); }

 private:
  bool take(std::size_t count) noexcept {
    if (!ok_ || count > data_.size() - position_) {
      ok_ = false;
      return false;
    }
    position_ += count;
    return true;
  }
  template <std::unsigned_integral T>
  T read(std::endian order) noexcept {
    if (!take(sizeof(T))) {
      return 0;
    }
    T value;
    std::memcpy(&value, data_.data() + position_ - sizeof(T), sizeof(T));
    return to_endian(value, order);
  }

  ByteSpan data_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit ByteWriter(MutableByteSpan data [[clang::lifetimebound]]) noexcept : data_(data) {}

  bool ok() const noexcept { return ok_; }
  std::size_t position() const noexcept { return position_; }
  ByteSpan written() const noexcept [[clang::lifetimebound]] { return data_.first(position_); }

  template <std::unsigned_integral T>
  void write_le(T value) noexcept {
    write(value, std::endian::little);
  }
  template <std::unsigned_integral T>
  void write_be(T value) noexcept {
    write(value, std::endian::big);
  }
  void write_bytes(ByteSpan bytes) noexcept {
    if (take(bytes.size()) && !bytes.empty()) {
      std::memcpy(data_.data() + position_ - bytes.size(), bytes.data(), bytes.size());
    }
  }

 private:
  bool take(std::size_t count) noexcept {
    if (!ok_ || count > data_.size() - position_) {
      ok_ = false;
      return false;
    }
    position_ += count;
    return true;
  }
  template <std::unsigned_integral T>
  void write(T value, std::endian order) noexcept {
    value = to_endian(value, order);
    write_bytes(std::as_bytes(std::span(&value, 1)));
  }

  MutableByteSpan data_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace selvedge::base
