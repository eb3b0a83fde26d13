#include "io/task.h"

#include <cstdlib>
#include <new>

#include "base/format.h"

namespace selvedge::io::internal {

Error error_from_current_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    std::abort();
  } catch (const std::exception& exception) {
    return Error(ErrorKind::kInternal, fmt::format("unexpected exception: {}", exception.what()));
  } catch (...) {
    return Error(ErrorKind::kInternal, "unexpected exception of an unknown type");
  }
}

}  // namespace selvedge::io::internal
