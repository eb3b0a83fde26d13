#pragma once

// The imports of WASI as their witx files define them, written down independently of the
// implementation.

#include <span>
#include <string>
#include <string_view>

namespace selvedge::wasix::testing {

struct ImportSignature {
  std::string_view name = {};
  std::string_view parameters = {};  // a letter each: i = i32, I = i64
  bool has_result = true;            // i32, an errno
};

// The 46 functions of wasi_snapshot_preview1.
std::span<const ImportSignature> preview1_imports() noexcept;
// The 45 functions of wasi_unstable.
std::span<const ImportSignature> snapshot0_imports() noexcept;
// The functions of wasix_32v1 that preview 1 does not have.
std::span<const ImportSignature> wasix_imports() noexcept;

// A module (WAT) that imports all of these from `module` and exports for each a function of the
// same name, without parameters: it takes the arguments from memory, 8 bytes for each from address
// 0 on, and returns the result. Also exports "nop" and its memory.
std::string trampoline_wat(std::string_view module, std::span<const ImportSignature> imports,
                           unsigned pages = 4);

}  // namespace selvedge::wasix::testing
