#pragma once

// One line on a terminal's standard error, rewritten in place and erased at the end. Nothing when
// standard error is not a terminal.

#include <string_view>

namespace selvedge::cli {

// Main thread.
class StatusLine {
 public:
  // `enabled`: false shows nothing anyway (--quiet, --json).
  explicit StatusLine(bool enabled) noexcept;
  ~StatusLine() { erase(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // In the place of what was shown before. Any bytes.
  void show(std::string_view text);
  void erase();

 private:
  bool enabled_;
  bool drawn_ = false;
};

}  // namespace selvedge::cli
