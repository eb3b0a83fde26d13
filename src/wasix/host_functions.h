#pragma once

#include <string_view>

#include "engine/host_functions.h"

namespace selvedge::wasix {

inline constexpr std::string_view kPreview1Module = "wasi_snapshot_preview1";
inline constexpr std::string_view kSnapshot0Module = "wasi_unstable";
inline constexpr std::string_view kWasixModule = "wasix_32v1";

// Offers the 46 functions of WASI preview 1 to guests whose instances run in Thread contexts.
// `module` is the name that guests import them from: other interfaces repeat all of them under
// names of their own.
void register_preview1(engine::HostFunctions& functions, std::string_view module = kPreview1Module);
// The 45 functions of snapshot 0 (preview 1 without sock_accept), with its own layouts.
void register_snapshot0(engine::HostFunctions& functions);
// WASIX: every function of preview 1 under kWasixModule too (sock_accept there in its WASIX form),
// and those that WASIX adds. A function that does not exist yet is not registered: a module that
// imports it is refused with its name before it is compiled.
void register_wasix(engine::HostFunctions& functions);

}  // namespace selvedge::wasix
