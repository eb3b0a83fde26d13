#pragma once

// Guest memory seen from the host. Every address comes from a hostile guest: each access is checked
// against the current size, values are copied in before they are looked at, and nothing keeps a
// pointer across a suspension of the guest.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "base/bytes.h"

namespace selvedge::engine {

// An address that the guest passed for a T (or for the first of several). Nothing is known about
// it until GuestMemory has checked it. Needs no alignment.
template <class T>
struct GuestPtr {
  std::uint32_t address = 0;

  // The same address for another type.
  template <class U>
  constexpr GuestPtr<U> as() const noexcept {
    return GuestPtr<U>{address};
  }
  constexpr bool is_null() const noexcept { return address == 0; }
};

// Behind a copy out of guest memory: what follows sees the copy only. Without it the compiler may
// load a value from the guest once more, when another thread has changed it since it was checked.
template <class T>
  requires std::is_trivially_copyable_v<T>
inline void settle_copy(T& value) noexcept {
  if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
    asm("" : "+r"(value));
  } else {
    asm("" : "+m"(value));
  }
}

// A view of one guest's linear memory (32-bit). Valid until the guest runs again: fetch it anew
// from HostContext::memory() in every host call and every PendingCall::poll.
//
// Other threads of the guest run on other threads of the host, so any byte may change at any
// moment, also during a host call. What matters is fetched once, with read(), load() or
// read_string(), and then checked and used; what lies in bytes() is moved and never parsed,
// compared or trusted, not even what the host has written there itself. The size only grows.
class GuestMemory {
 public:
  GuestMemory() noexcept = default;
  GuestMemory(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}

  std::size_t size() const noexcept { return size_; }

  // The `size` bytes at `address`, to copy from or to; nullopt when they are not all inside the
  // memory.
  std::optional<base::MutableByteSpan> bytes(std::uint64_t address,
                                             std::uint64_t size) const noexcept {
    if (address > size_ || size > size_ - address) {
      return std::nullopt;
    }
    return base::MutableByteSpan(data_ + address, static_cast<std::size_t>(size));
  }

  // Element `index` of the array at `pointer`, copied; nullopt when it is out of bounds.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  std::optional<T> read(GuestPtr<T> pointer, std::uint32_t index = 0) const noexcept {
    const auto source = bytes(element_address(pointer, index), sizeof(T));
    if (!source) {
      return std::nullopt;
    }
    T value;
    std::memcpy(&value, source->data(), sizeof(T));
    settle_copy(value);
    return value;
  }

  // The word at `pointer` as one atomic load, in order with the guest's own atomic instructions;
  // nullopt when it is out of bounds or not aligned to its size.
  template <class T>
    requires std::is_integral_v<T>
  std::optional<T> load(GuestPtr<T> pointer) const noexcept {
    const auto source = bytes(pointer.address, sizeof(T));
    if (!source || pointer.address % sizeof(T) != 0) {
      return std::nullopt;
    }
    return std::atomic_ref(*static_cast<T*>(static_cast<void*>(source->data()))).load();
  }

  // Writes element `index` of the array at `pointer`; false when it is out of bounds, and then
  // nothing is written. The T must have no padding with host bytes in it.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] bool write(GuestPtr<T> pointer, const std::type_identity_t<T>& value,
                           std::uint32_t index = 0) const noexcept {
    const auto target = bytes(element_address(pointer, index), sizeof(T));
    if (!target) {
      return false;
    }
    std::memcpy(target->data(), &value, sizeof(T));
    return true;
  }

  // A copy of the `size` bytes of text at `address`; nullopt when out of bounds. The caller bounds
  // `size` by its own limit first.
  std::optional<std::string> read_string(std::uint32_t address, std::uint32_t size) const {
    const auto source = bytes(address, size);
    if (!source) {
      return std::nullopt;
    }
    std::string text(size, '\0');
    if (size != 0) {
      std::memcpy(text.data(), source->data(), size);
      asm("" : : "r"(text.data()) : "memory");  // as settle_copy()
    }
    return text;
  }

 private:
  template <class T>
  static std::uint64_t element_address(GuestPtr<T> pointer, std::uint32_t index) noexcept {
    return std::uint64_t{pointer.address} + std::uint64_t{index} * sizeof(T);
  }

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace selvedge::engine
