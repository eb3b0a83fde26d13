#pragma once

#include <native.h>

#include "base/result.h"

namespace selvedge::engine {

// Turns an error of the Rust library into ours and frees it; null is success. Any thread.
Result<> take_native_error(native::NativeError* error);

}  // namespace selvedge::engine
