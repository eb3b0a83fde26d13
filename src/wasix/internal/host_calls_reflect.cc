// Functions that a guest names by number: calls with values from memory, closures, signatures. A
// call is made by the wrapper that rewriting puts around call_dynamic: it asks here for a function
// that makes it, and for its arguments (native/src/rewrite_dynamic.rs).

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "engine/library.h"
#include "engine/module_info.h"
#include "wasix/abi_dynamic.h"
#include "wasix/dynamic_linker.h"
#include "wasix/host_functions.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/process.h"

namespace selvedge::wasix::internal {

namespace {

using engine::GuestLinks;

// wasm_value_type, in their order.
constexpr std::string_view kTypes = "iIfFV";
// Parameters, or results, of a closure.
constexpr std::uint32_t kClosureValuesMax = 256;

std::uint32_t size_of(char type) noexcept {
  switch (type) {
    case 'i':
    case 'f':
      return 4;
    case 'V':
      return 16;
    default:
      return 8;
  }
}

struct Signature {
  std::string parameters;
  std::string results;
};

// kInval: there is no such function.
ErrnoResult<Signature> signature_of(Thread& thread, std::uint32_t function) {
  const Result<std::string> text = GuestLinks(thread).signature(function);
  if (!text) {
    return refuse(Errno::kInval);
  }
  const std::size_t colon = text->find(':');
  return Signature{.parameters = text->substr(0, colon), .results = text->substr(colon + 1)};
}

std::uint64_t packed_size(std::string_view types) noexcept {
  std::uint64_t size = 0;
  for (const char type : types) {
    size += size_of(type);
  }
  return size;
}

// Leaves the call to the wrapper. Sizes are in bytes.
Errno prepare_call(Thread& thread, std::uint32_t function, GuestLinks::Layout layout,
                   Ptr<std::uint8_t> values, std::uint64_t values_size, Ptr<std::uint8_t> results,
                   std::uint64_t results_size) {
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(values.address, values_size) || !memory.bytes(results.address, results_size)) {
    return Errno::kFault;
  }
  const Result<engine::TableIndex> caller = GuestLinks(thread).caller(function, layout);
  if (!caller) {
    return Errno::kInval;
  }
  thread.dynamic_call() = {*caller,         function,
                           values.address,  static_cast<std::uint32_t>(values_size),
                           results.address, static_cast<std::uint32_t>(results_size)};
  return Errno::kSuccess;
}

// `strict`: the sizes are those of the function's values. Else values that are missing are 0.
Errno call_dynamic(Thread& thread, std::uint32_t function, Ptr<std::uint8_t> values,
                   std::uint32_t values_size, Ptr<std::uint8_t> results, std::uint32_t results_size,
                   std::uint32_t strict) {
  thread.dynamic_call() = {};
  if (strict > 1) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(const Signature signature, signature_of(thread, function));
  if (strict == 1 && (packed_size(signature.parameters) != values_size ||
                      packed_size(signature.results) != results_size)) {
    return Errno::kInval;
  }
  return prepare_call(thread, function, GuestLinks::Layout::kPacked, values, values_size, results,
                      results_size);
}

// The same with records that say their types; the count of results is told where it was given.
Errno call_dynamic2(Thread& thread, std::uint32_t function, Ptr<abi::TypedValue> values,
                    std::uint32_t value_count, Ptr<abi::TypedValue> results,
                    Ptr<std::uint32_t> result_count, std::uint32_t strict) {
  thread.dynamic_call() = {};
  const engine::GuestMemory memory = thread.memory();
  const std::optional<std::uint32_t> room = memory.read(result_count);
  if (!room) {
    return Errno::kFault;
  }
  if (strict > 1) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(const Signature signature, signature_of(thread, function));
  if (strict == 1) {
    if (signature.parameters.size() != value_count || signature.results.size() != *room) {
      return Errno::kInval;
    }
    for (std::uint32_t index = 0; index < value_count; ++index) {
      const auto value = memory.read(values, index);
      if (!value) {
        return Errno::kFault;
      }
      if (value->type >= kTypes.size() || kTypes[value->type] != signature.parameters[index]) {
        return Errno::kInval;
      }
    }
  }
  constexpr std::uint64_t kRecord = sizeof(abi::TypedValue);
  const Errno prepared =
      prepare_call(thread, function, GuestLinks::Layout::kTyped, values.as<std::uint8_t>(),
                   value_count * kRecord, results.as<std::uint8_t>(), *room * kRecord);
  if (prepared == Errno::kSuccess &&
      !memory.write(result_count, static_cast<std::uint32_t>(signature.results.size()))) {
    return Errno::kFault;
  }
  return prepared;
}

// 0: the function that makes the call, which is asked for once, 0 for none; from 1: its arguments.
std::uint32_t call_argument(Thread& thread, std::uint32_t index) {
  if (index >= Thread::kCallWords || thread.winding()) {
    return 0;
  }
  const std::uint32_t word = thread.dynamic_call().at(index);
  if (index == Thread::kCallWords - 1) {
    thread.dynamic_call() = {};
  }
  return word;
}

// kInval: there is none, or one that takes references; kOverflow: the lists are too short, and the
// record is written.
Errno reflect_signature(Thread& thread, std::uint32_t function, Ptr<std::uint8_t> parameters,
                        std::uint32_t parameters_max, Ptr<std::uint8_t> results,
                        std::uint32_t results_max, Ptr<abi::ReflectionResult> reflection) {
  constexpr std::uint32_t kCountMask = 0xFFFF;  // they are 16-bit numbers
  const engine::GuestMemory memory = thread.memory();
  const ErrnoResult<Signature> signature = signature_of(thread, function);
  if (!signature) {
    return memory.write(reflection, abi::ReflectionResult{}) ? signature.error() : Errno::kFault;
  }
  const auto is_known = [](char type) { return kTypes.find(type) != std::string_view::npos; };
  if (!std::ranges::all_of(signature->parameters + signature->results, is_known)) {
    return Errno::kInval;
  }
  const Result<bool> is_closure = GuestLinks(thread).is_closure(function);
  const abi::ReflectionResult record{
      .cacheable = static_cast<std::uint8_t>(is_closure && !*is_closure ? 1 : 0),
      .padding = 0,
      .arguments = static_cast<std::uint16_t>(signature->parameters.size()),
      .results = static_cast<std::uint16_t>(signature->results.size())};
  if (!memory.write(reflection, record)) {
    return Errno::kFault;
  }
  if (signature->parameters.size() > (parameters_max & kCountMask) ||
      signature->results.size() > (results_max & kCountMask)) {
    return Errno::kOverflow;
  }
  const auto write = [&memory](Ptr<std::uint8_t> list, std::string_view types) {
    for (std::uint32_t index = 0; index < types.size(); ++index) {
      if (!memory.write(list, static_cast<std::uint8_t>(kTypes.find(types[index])), index)) {
        return false;
      }
    }
    return true;
  };
  return write(parameters, signature->parameters) && write(results, signature->results)
             ? Errno::kSuccess
             : Errno::kFault;
}

ErrnoResult<std::string> read_types(const Thread& thread, Ptr<std::uint8_t> list,
                                    std::uint32_t count) {
  if (count > kClosureValuesMax) {
    return refuse(Errno::kInval);
  }
  const std::optional<std::string> codes = thread.memory().read_string(list.address, count);
  if (!codes) {
    return refuse(Errno::kFault);
  }
  std::string types;
  for (const char code : *codes) {
    if (static_cast<unsigned char>(code) >= kTypes.size()) {
      return refuse(Errno::kInval);
    }
    types += kTypes[static_cast<unsigned char>(code)];
  }
  return types;
}

// kNotsup: the program cannot have closures; kNomem: it has too many.
Errno closure_allocate(Thread& thread, Ptr<std::uint32_t> closure) {
  if (!thread.memory().bytes(closure.address, sizeof(std::uint32_t))) {
    return Errno::kFault;
  }
  const Result<engine::TableIndex> made = GuestLinks(thread).allocate_closure();
  if (!made) {
    return made.error().kind() == ErrorKind::kUnsupported ? Errno::kNotsup : Errno::kNomem;
  }
  return thread.memory().write(closure, *made) ? Errno::kSuccess : Errno::kFault;
}

// kInval: it is no closure, or a type is none.
Errno closure_prepare(Thread& thread, std::uint32_t backing, std::uint32_t closure,
                      Ptr<std::uint8_t> parameters, std::uint32_t parameter_count,
                      Ptr<std::uint8_t> results, std::uint32_t result_count,
                      Ptr<std::uint8_t> environment) {
  SELVEDGE_TRY_ERRNO(std::string signature, read_types(thread, parameters, parameter_count));
  SELVEDGE_TRY_ERRNO(const std::string result_types, read_types(thread, results, result_count));
  signature += ':';
  signature += result_types;
  return GuestLinks(thread).prepare_closure(closure, signature, backing, environment.address)
             ? Errno::kSuccess
             : Errno::kInval;
}

Errno closure_free(Thread& thread, std::uint32_t closure) {
  return GuestLinks(thread).free_closure(closure) ? Errno::kSuccess : Errno::kInval;
}

}  // namespace

void register_wasix_reflection(engine::HostFunctions& functions) {
  functions.define<&call_dynamic>(kWasixModule, "call_dynamic");
  functions.define<&call_dynamic2>(kWasixModule, "call_dynamic2");
  functions.define<&reflect_signature>(kWasixModule, "reflect_signature");
  functions.define<&closure_allocate>(kWasixModule, "closure_allocate");
  functions.define<&closure_prepare>(kWasixModule, "closure_prepare");
  functions.define<&closure_free>(kWasixModule, "closure_free");
  functions.define<&call_argument>(engine::kRewriteHostModule, "call_argument");
}

}  // namespace selvedge::wasix::internal
