#pragma once

// Removes old versions of an app. A version that is to go is first written down in the app's
// ActiveRecord, by compare-and-swap: from then on nobody can activate it, and whoever was about to
// loses. So no version is ever active and gone.

#include <cstdint>
#include <string>

#include "app/app_store.h"
#include "base/result.h"
#include "store/store.h"

namespace selvedge::app {

// All but the newest `kept` and those that are active; how many. An app of which nothing is active
// keeps all. Up to kRetiringMax in one call. `dry_run` counts only. Blocks.
Result<std::uint64_t> prune_versions(store::Store& store, AppStore& apps, const std::string& app,
                                     std::uint64_t kept, bool dry_run);

}  // namespace selvedge::app
