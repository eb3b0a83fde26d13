#pragma once

// Walks through what a store has below a folder, page by page.

#include "base/result.h"
#include "store/store.h"

namespace selvedge::app::internal {

// Calls `visit` with every store::ListEntry below `folder`, in the order of their keys, until it
// returns an error.
template <class Visit>
Result<> for_each_entry(store::Store& from, const store::Key& folder, Visit visit) {
  store::ListOptions options{.folder = folder};
  for (;;) {
    SELVEDGE_TRY(store::ListPage page, from.list(options));
    for (store::ListEntry& entry : page.entries) {
      options.start_after = entry.key;
      SELVEDGE_TRY_VOID(visit(std::move(entry)));
    }
    if (!page.more || page.entries.empty()) {
      return {};
    }
  }
}

}  // namespace selvedge::app::internal
