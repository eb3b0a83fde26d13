#include "io/deadline.h"

namespace selvedge::io::internal {

Error deadline_passed_error() { return Error(ErrorKind::kTimeout, "the deadline passed"); }

}  // namespace selvedge::io::internal
