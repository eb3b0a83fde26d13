#pragma once

// A program that a fuzzer directs: each of its threads asks the import "fuzz" "next" what to call,
// calls it, and asks again. Its memory is shared by its threads.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/host_functions.h"
#include "wasix/testing/hostile_records.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix::testing {

struct HostileImport {
  std::string_view module;
  ImportSignature signature;
  // What its arguments mean, a letter each (hostile_record); empty: not written down.
  std::string_view shape = {};
};

// Everything that `functions` offers under wasix_32v1, and wasi's thread-spawn.
std::vector<HostileImport> hostile_imports(const engine::HostFunctions& functions);

// Calls that are instructions and not imports: memory.grow, waiting and notifying. Their numbers
// follow those of the imports.
inline constexpr std::size_t kHostileInstructions = 4;

// The module (WAT), also a thread's entry. "next" (i32 base -> i32 number of the call, or negative:
// return) leaves the arguments at `base`, 8 bytes for each.
std::string hostile_wat(std::span<const HostileImport> imports);

// The arguments of call `number`.
std::vector<std::uint64_t> hostile_arguments(FuzzInput& input,
                                             std::span<const HostileImport> imports,
                                             std::size_t number);

}  // namespace selvedge::wasix::testing
