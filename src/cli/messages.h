#pragma once

// What selvedge itself says to its user, apart from the log.

#include <string>
#include <string_view>

#include "base/result.h"

namespace selvedge::cli {

// How messages are written: for people, or one JSON object a line (--json).
struct MessageStyle {
  bool json = false;
  bool quiet = false;  // no warnings
};

// "selvedge: sentence", or {"error":sentence,"kind":kind}, on standard error.
void print_error(const Error& error, MessageStyle style);
void print_warning(std::string_view sentence, MessageStyle style);
// A JSON string with its quotes. `text` may be any bytes: what is not UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

}  // namespace selvedge::cli
