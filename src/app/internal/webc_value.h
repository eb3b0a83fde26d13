#pragma once

// CBOR of strangers as values, and typed access to one map that remembers which keys were asked
// for.

#include <nlohmann/json.hpp>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/webc_manifest.h"
#include "base/bytes.h"
#include "base/result.h"

namespace selvedge::app::internal {

// Keeps the order of keys.
using WebcValue = nlohmann::ordered_json;

// One item and nothing behind it, within the limits of webc_manifest.h: no tags, map keys are texts
// and not repeated, texts are UTF-8. kInvalid with the offset.
Result<WebcValue> decode_webc_value(base::ByteSpan cbor);

// The runner of ours that the URI of a command names, if any: "https://webc.org/runner/wasi", also
// with a version of its interface behind ("…/wasi/command@unstable_").
std::optional<RunnerKind> kind_of_webc_runner(std::string_view runner);

class WebcTable {
 public:
  // All arguments outlive this. `value` is a map; unknown keys and warnings go to `manifest`.
  WebcTable(WebcManifest& manifest, const WebcValue& value, std::vector<std::string> path)
      : manifest_(manifest), value_(value), path_(std::move(path)) {}

  const WebcValue& value() const noexcept { return value_; }
  // "commands.name.runner"
  std::string path_of(std::string_view key) const;
  std::vector<std::string> path_to(std::string_view key) const;

  // The value of a key, or null when it is absent or CBOR's null; marks the key as known.
  const WebcValue* find(std::string_view key);
  // kInvalid when the value is of another kind. Texts hold no NUL.
  Result<std::optional<std::string>> text(std::string_view key);
  Result<std::string> required_text(std::string_view key);
  Result<std::vector<std::string>> texts(std::string_view key);
  Result<bool> boolean(std::string_view key);           // false when absent
  Result<const WebcValue*> map(std::string_view key);   // null when absent
  Result<const WebcValue*> list(std::string_view key);  // null when absent
  // Keeps every key that nobody asked for and warns of it.
  void finish();
  void keep(std::string_view key);

 private:
  WebcManifest& manifest_;
  const WebcValue& value_;
  const std::vector<std::string> path_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace selvedge::app::internal
