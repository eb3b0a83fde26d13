#pragma once

// Typed access to one JSON object of a document that a client or the store sent. Errors are
// Invalid: one sentence that names the member by its path. Members that nobody asks for are
// ignored: a newer version may have written them.

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/environment.h"
#include "base/result.h"
#include "crypto/blake3.h"

namespace selvedge::app {

inline constexpr std::size_t kJsonItemsMax = 65'536;  // of one array or object
inline constexpr std::size_t kJsonDepthMax = 64;

// `what` names the document in messages. Invalid: not JSON, or nested deeper than kJsonDepthMax.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view what);

// On one line, the members of objects in the order of their names: equal values make equal texts.
// Never throws: bytes that are not UTF-8 become U+FFFD.
std::string json_text(const nlohmann::json& value);

// A view: the document outlives it.
class JsonObject {
 public:
  // `path`: of the object, or the document's name. Invalid when it is not an object.
  static Result<JsonObject> open(const nlohmann::json& value [[clang::lifetimebound]],
                                 std::string path);

  // Null when absent or null.
  const nlohmann::json* find(std::string_view key) const;
  Result<std::string> text(std::string_view key) const;
  Result<std::optional<std::string>> optional_text(std::string_view key) const;
  // Absent: nullopt.
  Result<std::optional<std::uint64_t>> optional_integer(std::string_view key,
                                                        std::uint64_t max) const;
  Result<std::uint64_t> integer(std::string_view key, std::uint64_t max) const;
  Result<std::optional<bool>> optional_boolean(std::string_view key) const;
  Result<crypto::Blake3Hash> hash(std::string_view key) const;
  // Absent: empty.
  Result<std::vector<std::string>> texts(std::string_view key) const;
  // Absent: empty.
  Result<std::vector<std::uint64_t>> integers(std::string_view key, std::uint64_t max) const;
  Result<std::vector<JsonObject>> objects(std::string_view key) const;
  // Pairs of name and value, as arrays of two texts: their order counts.
  Result<Environment> environment(std::string_view key) const;

  std::string path_of(std::string_view key) const;

 private:
  JsonObject(const nlohmann::json& value, std::string path)
      : value_(&value), path_(std::move(path)) {}
  Result<const nlohmann::json*> array(std::string_view key) const;

  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace selvedge::app
