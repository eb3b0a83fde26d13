#pragma once

#include <string_view>

#include "base/random.h"
#include "wasix/errno_result.h"
#include "wasix/handle_table.h"

namespace selvedge::wasix::internal {

// What opening a device may lead to.
struct DeviceSource {
  const HandleTable& handles;  // of who opens
  base::Random& random;        // outlives the handles
};

struct OpenRequest {
  Rights base = Rights::kNone;
  Rights inheriting = Rights::kNone;
  Lookupflags lookup = Lookupflags::kNone;
  Oflags oflags = Oflags::kNone;
  Fdflags fdflags = Fdflags::kNone;
  // The path, from the absolute one `guest_base`, that a directory keeps as its guest_path(). An
  // empty base: it is not known.
  std::string_view guest_base = {};
  std::string_view guest_name = {};
  // OpenOptions::confined.
  bool confined = false;
};

// What path_open does once it knows the directory; the rights are cut to what the opened thing can
// have. kNoent: a standard stream that is closed; kNxio: no terminal. Defined in
// host_calls_path.cc.
ErrnoResult<Descriptor> open_descriptor(Directory& directory, std::string_view path,
                                        const OpenRequest& request, const DeviceSource& devices);

}  // namespace selvedge::wasix::internal
