#pragma once

namespace selvedge::cli {

// How results and errors are written.
struct OutputOptions {
  bool json = false;
  bool quiet = false;
};

}  // namespace selvedge::cli
