#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace selvedge::log {
namespace {

constinit std::atomic<int> current_level{static_cast<int>(Level::kInfo)};

spdlog::logger& logger() {
  // Kept for the whole process: log lines may come from threads that outlive main's statics.
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("selvedge", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) noexcept {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

void set_level(Level level) noexcept {
  current_level.store(static_cast<int>(level), std::memory_order_relaxed);
}

bool enabled(Level level) noexcept {
  return static_cast<int>(level) >= current_level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view text) {
  const std::string line = escape(text, 16384);
  logger().log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

std::string escape(std::string_view untrusted, std::size_t bytes_max) {
  std::string out;
  const std::string_view shown = untrusted.substr(0, bytes_max);
  out.reserve(shown.size());
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (untrusted.size() > shown.size()) {
    fmt::format_to(std::back_inserter(out), "... ({} more bytes)", untrusted.size() - shown.size());
  }
  return out;
}

}  // namespace selvedge::log
