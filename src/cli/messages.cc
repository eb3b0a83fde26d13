#include "cli/messages.h"

#include <cstdio>

#include "app/json_reader.h"
#include "base/format.h"
#include "base/log.h"

namespace selvedge::cli {

std::string json_string(std::string_view text) { return app::json_text(text); }

void print_error(const Error& error, MessageStyle style) {
  if (style.json) {
    fmt::print(stderr, "{{\"error\":{},\"kind\":{}}}\n", json_string(error.message()),
               json_string(to_string(error.kind())));
    return;
  }
  fmt::print(stderr, "selvedge: {}\n", log::escape(error.message()));
}

void print_warning(std::string_view sentence, MessageStyle style) {
  if (style.quiet) {
    return;
  }
  if (style.json) {
    fmt::print(stderr, "{{\"warning\":{}}}\n", json_string(sentence));
    return;
  }
  fmt::print(stderr, "selvedge: warning: {}\n", log::escape(sentence));
}

}  // namespace selvedge::cli
