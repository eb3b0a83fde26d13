#include "cli/status_line.h"

#include <unistd.h>

#include <cstdio>

#include "base/format.h"
#include "base/log.h"

namespace selvedge::cli {
namespace {

constexpr const char* kToBeginOfLineAndErase = "\r\x1b[K";

}  // namespace

StatusLine::StatusLine(bool enabled) noexcept : enabled_(enabled && ::isatty(STDERR_FILENO) == 1) {}

void StatusLine::show(std::string_view text) {
  if (enabled_) {
    fmt::print(stderr, "{}{}", kToBeginOfLineAndErase, log::escape(text));
    std::fflush(stderr);
    drawn_ = true;
  }
}

void StatusLine::erase() {
  if (drawn_) {
    std::fputs(kToBeginOfLineAndErase, stderr);
    std::fflush(stderr);
    drawn_ = false;
  }
}

}  // namespace selvedge::cli
