#pragma once

// The functions that guests may import. A host function is a plain C++ function whose first
// parameter is the guest and whose other parameters and result say the Wasm signature:
//
//   Errno fd_close(Guest& guest, Fd fd);
//   Blocking<Errno> fd_read(Guest& guest, Fd fd, GuestPtr<IoVec> vectors, std::uint32_t count,
//                           GuestPtr<std::uint32_t> read_out);
//   functions.define<&fd_close>("wasi_snapshot_preview1", "fd_close");
//
// Guest is any class derived from HostContext; the embedder must give instances of these functions
// contexts of that class. Parameters: 32- and 64-bit integers and enums, float, double,
// GuestPtr<T>. Results: void, integers and enums of any width, float, double, or Blocking<one of
// these, or Nothing for void>. The function runs on the guest's fiber stack
// (EngineOptions::host_stack_bytes): no large frames, no recursion on guest data, and it never
// blocks the thread. It must not throw.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "engine/host_context.h"
#include "engine/internal/wasm_value.h"
#include "engine/module.h"
#include "engine/module_info.h"
#include "engine/pending_call.h"

namespace selvedge::engine {

class Engine;
class Library;

namespace internal {

template <class T>
struct BlockingResult {
  using Type = T;
  static constexpr bool kBlocking = false;
};
template <class R>
struct BlockingResult<Blocking<R>> {
  using Type = R;
  static constexpr bool kBlocking = true;
};
template <>
struct BlockingResult<Blocking<Nothing>> {
  using Type = void;
  static constexpr bool kBlocking = true;
};

// Parameter and result letters, "iIi:i": i = i32, I = i64, f = f32, F = f64.
template <class R, class... Args>
consteval auto signature_text() {
  if constexpr (std::is_void_v<R>) {
    return std::array<char, sizeof...(Args) + 2>{WasmValue<Args>::kLetter..., ':', '\0'};
  } else {
    return std::array<char, sizeof...(Args) + 3>{WasmValue<Args>::kLetter..., ':',
                                                 WasmValue<R>::kLetter, '\0'};
  }
}

template <class R, class Guest, class... Args, R (*kFunction)(Guest&, Args...)>
struct Thunk<kFunction> {
  static_assert(std::is_base_of_v<HostContext, Guest>);
  static_assert((... && (sizeof(Args) >= 4)), "guests pass 32 or 64 bits: narrow and check inside");
  using Value = typename BlockingResult<R>::Type;
  static constexpr bool kBlocking = BlockingResult<R>::kBlocking;
  static constexpr auto kSignature = signature_text<Value, Args...>();

  static Guest& guest_of(native::GuestContext* context) noexcept {
    return static_cast<Guest&>(*static_cast<HostContext*>(context->owner));
  }

  // Called by native code with the C calling convention of the signature.
  static auto call(native::GuestContext* context,
                   typename WasmValue<Args>::Wire... arguments) noexcept {
    Guest& guest = guest_of(context);
    if constexpr (kBlocking) {
      R outcome = kFunction(guest, WasmValue<Args>::from_wire(arguments)...);
      if (outcome.is_ready()) [[likely]] {
        if constexpr (!std::is_void_v<Value>) {
          context->result = WasmValue<Value>::to_bits(outcome.value());
        }
        return;
      }
      static_cast<HostContext&>(guest).suspend(std::move(outcome).take_call());
    } else if constexpr (std::is_void_v<Value>) {
      kFunction(guest, WasmValue<Args>::from_wire(arguments)...);
    } else {
      return WasmValue<Value>::to_wire(kFunction(guest, WasmValue<Args>::from_wire(arguments)...));
    }
  }
};

}  // namespace internal

// A set of host functions, filled once at start and then used from any thread to link modules.
class HostFunctions {
 public:
  // `engine` outlives the set and everything linked with it.
  explicit HostFunctions(const Engine& engine);
  ~HostFunctions();
  HostFunctions(const HostFunctions&) = delete;
  HostFunctions& operator=(const HostFunctions&) = delete;

  // Offers kFunction to guests as `name` of `module`. One function may be offered under several
  // names. A name defined twice, or a signature that the native library does not know, is a bug of
  // ours and aborts.
  template <auto kFunction>
  void define(std::string_view module, std::string_view name) {
    using Thunk = internal::Thunk<kFunction>;
    define_erased(module, name, std::string_view(Thunk::kSignature.data()), Thunk::kBlocking,
                  reinterpret_cast<const void*>(&Thunk::call));
  }

  // What link() would find missing, but with the byte offset of the import, and before compiling.
  // Functions that rewriting puts in place of instructions are not seen yet.
  Result<> check_imports(const ModuleInfo& info) const;

  // Joins a module with these functions. Invalid, in one sentence naming the import, when the
  // module imports something that the set lacks or has with another signature. The same object for
  // as long as somebody has it: programs of one module share what starting them reads. Any thread.
  Result<std::shared_ptr<const LinkedModule>> link(std::shared_ptr<const Module> module) const;
  // The library that `module`, which was compiled from `wasm`, is. Its other imports are looked up
  // when a process loads it. Invalid: it is no library, or as link(). Any thread.
  Result<std::shared_ptr<const Library>> link_library(std::shared_ptr<const Module> module,
                                                      base::ByteSpan wasm) const;

 private:
  static constexpr std::size_t kSweepLinkedMin = 64;

  void define_erased(std::string_view module, std::string_view name, std::string_view signature,
                     bool blocking, const void* function);

  native::HostFunctions* native_;
  mutable std::mutex mutex_;
  // By module, which lives as long as what is linked of it; some of them gone.
  mutable std::map<const Module*, std::weak_ptr<const LinkedModule>> linked_;
  mutable std::size_t sweep_linked_at_ = kSweepLinkedMin;
  // Signatures by name within module.
  std::map<std::string, std::map<std::string, std::string, std::less<>>, std::less<>> signatures_;
};

}  // namespace selvedge::engine
