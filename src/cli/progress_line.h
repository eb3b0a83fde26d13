#pragma once

// One line on a terminal's standard error that says what takes so long, rewritten in place and
// erased at the end. Nothing when standard error is not a terminal.

#include <atomic>
#include <string>

#include "base/clock.h"
#include "cli/status_line.h"
#include "engine/engine.h"

namespace selvedge::cli {

class ProgressLine {
 public:
  // `enabled`: false shows nothing anyway (--quiet, --json).
  ProgressLine(std::string name, bool enabled, const base::Clock& clock);
  ~ProgressLine() = default;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Any thread.
  void report(const engine::CompileProgress& progress) noexcept;
  // Redraws; nothing was reported: shows nothing. Main thread.
  void draw();
  void erase() { line_.erase(); }

 private:
  static constexpr int kNothing = -1;
  std::string name_;
  StatusLine line_;
  const base::Clock& clock_;
  base::MonotonicTime begin_;
  std::atomic<int> stage_{kNothing};
  std::atomic<std::size_t> module_bytes_{0};
};

}  // namespace selvedge::cli
