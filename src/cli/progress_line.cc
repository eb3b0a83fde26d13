#include "cli/progress_line.h"

#include <utility>

#include "base/format.h"

namespace selvedge::cli {
namespace {

std::string_view stage_name(engine::CompileProgress::Stage stage) {
  switch (stage) {
    case engine::CompileProgress::Stage::kChecking:
      return "checking";
    case engine::CompileProgress::Stage::kRewriting:
      return "preparing";
    case engine::CompileProgress::Stage::kCompiling:
      return "compiling";
    case engine::CompileProgress::Stage::kStoring:
      return "storing";
  }
  return "compiling";
}

}  // namespace

ProgressLine::ProgressLine(std::string name, bool enabled, const base::Clock& clock)
    : name_(std::move(name)), line_(enabled), clock_(clock), begin_(clock.now()) {}

void ProgressLine::report(const engine::CompileProgress& progress) noexcept {
  module_bytes_.store(progress.module_bytes, std::memory_order_relaxed);
  stage_.store(static_cast<int>(progress.stage), std::memory_order_relaxed);
}

void ProgressLine::draw() {
  const int stage = stage_.load(std::memory_order_relaxed);
  if (stage == kNothing) {
    return;
  }
  constexpr double kMebibyte = 1024.0 * 1024.0;
  const double megabytes =
      static_cast<double>(module_bytes_.load(std::memory_order_relaxed)) / kMebibyte;
  const double seconds = std::chrono::duration<double>(clock_.now() - begin_).count();
  line_.show(fmt::format("{} {} ({:.1f} MiB) {:.1f}s",
                         stage_name(static_cast<engine::CompileProgress::Stage>(stage)), name_,
                         megabytes, seconds));
}

}  // namespace selvedge::cli
