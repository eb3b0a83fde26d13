#pragma once

// What a host function returns that may have to wait.

#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "engine/internal/wasm_value.h"

namespace selvedge::engine {

// What a host function that may wait returns when the guest gets no value.
struct Nothing {};

namespace internal {

template <>
struct WasmValue<Nothing> {
  static constexpr std::uint64_t to_bits(Nothing /*value*/) noexcept { return 0; }
};

// A PendingCall<R> with its R erased.
class ErasedCall {
 public:
  virtual ~ErasedCall() = default;
  // True when done; `bits` is then the result as a Wasm value.
  virtual bool poll_bits(std::uint64_t& bits) = 0;
  // The result when the wait is interrupted; false: this wait cannot be.
  virtual bool interrupt_bits(std::uint64_t& bits) = 0;
};

}  // namespace internal

// A host call that is waiting. Owned by the guest's HostContext from the return of the host
// function until it completes or the guest is ended; destroying it cancels the wait.
//
// The implementation arranges that Fiber::wake() is called when progress may be possible; poll() is
// asked only after a wake, on the shard's own stack (not the guest's), and may read and write guest
// memory through HostContext::memory().
template <class R>
class PendingCall : public internal::ErasedCall {
 public:
  // The call's result, or nullopt to keep waiting for the next wake. May end the guest
  // (HostContext::exit, trap): the returned value is then ignored.
  virtual std::optional<R> poll() = 0;
  // The call's result when Fiber::interrupt() ends its wait; nullopt (the default): it goes on.
  virtual std::optional<R> interrupted() { return std::nullopt; }

 private:
  bool interrupt_bits(std::uint64_t& bits) final {
    const std::optional<R> value = interrupted();
    if (value) {
      bits = internal::WasmValue<R>::to_bits(*value);
    }
    return value.has_value();
  }
  bool poll_bits(std::uint64_t& bits) final {
    const std::optional<R> value = poll();
    if (!value) {
      return false;
    }
    bits = internal::WasmValue<R>::to_bits(*value);
    return true;
  }
};

// Either the result now (which costs no suspension) or a call that waits.
template <class R>
class [[nodiscard]] Blocking {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a plain `return Errno::kSuccess;` is the point.
  Blocking(R value) noexcept : state_(std::move(value)) {}
  // `call` is not null.
  template <class T>
    requires std::is_base_of_v<PendingCall<R>, T>
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  Blocking(std::unique_ptr<T> call) noexcept
      : state_(std::unique_ptr<PendingCall<R>>(std::move(call))) {}

  bool is_ready() const noexcept { return state_.index() == 0; }
  const R& value() const noexcept [[clang::lifetimebound]] { return *std::get_if<0>(&state_); }
  std::unique_ptr<PendingCall<R>> take_call() && noexcept {
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<R, std::unique_ptr<PendingCall<R>>> state_;
};

}  // namespace selvedge::engine
