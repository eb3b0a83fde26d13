#pragma once

// A guest that imports what exists of wasix_32v1, and of preview 1 under that name.

#include <initializer_list>
#include <memory>
#include <string_view>

#include "wasix/testing/machine.h"

namespace selvedge::wasix::testing {

// All functions of preview 1, and these of WASIX. Aborts when one of them is not registered.
std::shared_ptr<const engine::LinkedModule> link_wasix_trampolines(
    Machine& machine, std::initializer_list<std::string_view> names);

}  // namespace selvedge::wasix::testing
