#pragma once

// Logging for people at 3 a.m.: one line an event, key=value pairs, UTC time, to stderr. Guest
// bytes are escaped.
//
//   log::info("listening address={} shards={}", address, shards);
//
// Any thread. Lines below the level cost one relaxed load. Configure once at start, in main.

#include <atomic>
#include <string>
#include <string_view>

#include "base/format.h"

namespace selvedge::log {

enum class Level : int { kDebug, kInfo, kWarning, kError, kOff };

void set_level(Level level) noexcept;
bool enabled(Level level) noexcept;
// Writes one line; `text` is escaped (control characters, newlines), so that a guest cannot forge
// log lines.
void write(Level level, std::string_view text);
// Printable form of untrusted bytes: control characters as \n, \t, \xNN; at most `bytes_max` bytes
// of input.
std::string escape(std::string_view untrusted, std::size_t bytes_max = 4096);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kDebug)) {
    write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kInfo)) {
    write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kWarning)) {
    write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kError)) {
    write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace selvedge::log
