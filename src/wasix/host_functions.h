#pragma once

#include <string_view>

#include "engine/host_functions.h"

namespace selvedge::wasix {

inline constexpr std::string_view kPreview1Module = "wasi_snapshot_preview1";
inline constexpr std::string_view kSnapshot0Module = "wasi_unstable";

// Offers the 46 functions of WASI preview 1 to guests whose instances run in Thread contexts.
// `module` is the name that guests import them from: other interfaces repeat all of them under
// names of their own.
void register_preview1(engine::HostFunctions& functions, std::string_view module = kPreview1Module);
// The 45 functions of snapshot 0 (preview 1 without sock_accept), with its own layouts.
void register_snapshot0(engine::HostFunctions& functions);

}  // namespace selvedge::wasix
