#pragma once

// What a .webc package says and holds, for people and tools.

#include <nlohmann/json.hpp>

#include "app/webc_package.h"

namespace selvedge::app {

// An object: "name", "version", …, "commands", "modules" (with size, hash and imports), "mounts",
// "volumes" (with their files), "dependencies", "warnings". Takes time by the size of the modules.
nlohmann::json inspect_package(const WebcFileContents& webc);

}  // namespace selvedge::app
