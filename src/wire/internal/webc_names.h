#pragma once

// What names and links in a package may be, for the reader and the writer alike.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/webc.h"

namespace selvedge::wire::internal {

// Where an entry is, for messages: made on the stack while a tree is walked, written out only when
// something is wrong.
struct WebcPlace {
  const WebcPlace* parent = nullptr;
  std::string_view name;

  // "volume/folder/file"; the front is cut when it is long.
  std::string text() const;
};

// kInvalid unless the name may be one of an entry in `directory`.
Result<> check_entry_name(std::string_view name, const WebcPlace& directory,
                          const WebcLimits& limits);
Result<> check_volume_name(std::string_view name, const WebcLimits& limits);
// kInvalid, with both names, when two are the same but for the case of ASCII letters.
// `what`: "entries of …", "volumes".
Result<> check_distinct(std::vector<std::string_view> names, std::string_view what);
// kInvalid unless a link that lies `depth` folders below the root of its volume may say this.
Result<> check_link(std::string_view target, std::size_t depth, const WebcPlace& link,
                    const WebcLimits& limits);

}  // namespace selvedge::wire::internal
