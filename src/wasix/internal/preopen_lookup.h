#pragma once

// Which preopened directory an absolute path of the guest lies in.

#include <memory>
#include <string>
#include <string_view>

#include "wasix/errno_result.h"
#include "wasix/handle_table.h"

namespace selvedge::wasix::internal {

struct PreopenPlace {
  std::shared_ptr<Directory> directory;
  Rights rights_base = Rights::kNone;
  // From that directory; empty: the directory itself.
  std::string rest;
};

// `path` is as absolute_path() makes it. The innermost directory when they are nested. kNoent: it
// lies in none.
ErrnoResult<PreopenPlace> locate(const HandleTable& handles, std::string_view path);
// `path`, made the same way, is a directory: below a preopened one, or one that leads there, like
// the root. kNoent, kNotdir, kNotcapable; else as the file system says.
ErrnoResult<> check_directory(const HandleTable& handles, std::string_view path);
// Some preopened directory lies beneath `path`.
bool leads_to_preopen(const HandleTable& handles, std::string_view path);

}  // namespace selvedge::wasix::internal
