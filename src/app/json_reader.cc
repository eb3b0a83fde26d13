#include "app/json_reader.h"

#include "base/format.h"

namespace selvedge::app {
namespace {

Result<std::string> to_text(const nlohmann::json& value, const std::string& what) {
  const auto* text = value.get_ptr<const std::string*>();
  if (text == nullptr || text->find('\0') != std::string::npos) {
    return fail_format(ErrorKind::kInvalid, "{} must be a text without NUL", what);
  }
  return *text;
}

// Seen before anything is made of it: copying and writing a value recurse.
bool is_too_deep(std::string_view text) noexcept {
  std::size_t depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      in_text = c != '"';
      i += c == '\\' ? 1 : 0;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kJsonDepthMax) {
        return true;
      }
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, std::string_view what) {
  if (is_too_deep(text)) {
    return fail_format(ErrorKind::kInvalid, "{} has more than {} levels of arrays and objects",
                       what, kJsonDepthMax);
  }
  nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return fail_format(ErrorKind::kInvalid, "{} is not valid JSON", what);
  }
  return value;
}

std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<JsonObject> JsonObject::open(const nlohmann::json& value, std::string path) {
  if (!value.is_object() || value.size() > kJsonItemsMax) {
    return fail_format(ErrorKind::kInvalid, "{} must be an object", path);
  }
  return JsonObject(value, std::move(path));
}

std::string JsonObject::path_of(std::string_view key) const {
  return fmt::format("{}.{}", path_, key);
}

const nlohmann::json* JsonObject::find(std::string_view key) const {
  const auto found = value_->find(key);
  return found == value_->end() || found->is_null() ? nullptr : &*found;
}

Result<std::string> JsonObject::text(std::string_view key) const {
  SELVEDGE_TRY(auto value, optional_text(key));
  if (!value.has_value()) {
    return fail_format(ErrorKind::kInvalid, "{} is missing", path_of(key));
  }
  return *std::move(value);
}

Result<std::optional<std::string>> JsonObject::optional_text(std::string_view key) const {
  const nlohmann::json* const value = find(key);
  if (value == nullptr) {
    return std::optional<std::string>();
  }
  SELVEDGE_TRY(auto text, to_text(*value, path_of(key)));
  return std::optional(std::move(text));
}

Result<std::optional<std::uint64_t>> JsonObject::optional_integer(std::string_view key,
                                                                  std::uint64_t max) const {
  const nlohmann::json* const value = find(key);
  if (value == nullptr) {
    return std::optional<std::uint64_t>();
  }
  const auto* number = value->get_ptr<const nlohmann::json::number_unsigned_t*>();
  if (number == nullptr || *number > max) {
    return fail_format(ErrorKind::kInvalid, "{} must be a whole number of at most {}", path_of(key),
                       max);
  }
  return std::optional<std::uint64_t>(*number);
}

Result<std::uint64_t> JsonObject::integer(std::string_view key, std::uint64_t max) const {
  SELVEDGE_TRY(const auto value, optional_integer(key, max));
  if (!value.has_value()) {
    return fail_format(ErrorKind::kInvalid, "{} is missing", path_of(key));
  }
  return *value;
}

Result<std::optional<bool>> JsonObject::optional_boolean(std::string_view key) const {
  const nlohmann::json* const value = find(key);
  if (value == nullptr) {
    return std::optional<bool>();
  }
  const auto* boolean = value->get_ptr<const bool*>();
  if (boolean == nullptr) {
    return fail_format(ErrorKind::kInvalid, "{} must be true or false", path_of(key));
  }
  return std::optional(*boolean);
}

Result<crypto::Blake3Hash> JsonObject::hash(std::string_view key) const {
  SELVEDGE_TRY(const std::string hex, text(key));
  auto parsed = crypto::Blake3Hash::from_hex(hex);
  if (!parsed.has_value()) {
    return fail_format(ErrorKind::kInvalid, "{} must be 64 small hexadecimal digits", path_of(key));
  }
  return *parsed;
}

Result<const nlohmann::json*> JsonObject::array(std::string_view key) const {
  const nlohmann::json* const value = find(key);
  if (value != nullptr && (!value->is_array() || value->size() > kJsonItemsMax)) {
    return fail_format(ErrorKind::kInvalid, "{} must be an array of at most {} items", path_of(key),
                       kJsonItemsMax);
  }
  return value;
}

Result<std::vector<std::string>> JsonObject::texts(std::string_view key) const {
  SELVEDGE_TRY(const nlohmann::json* const items, array(key));
  std::vector<std::string> values;
  if (items != nullptr) {
    for (const nlohmann::json& item : *items) {
      SELVEDGE_TRY(auto text, to_text(item, "every item of " + path_of(key)));
      values.push_back(std::move(text));
    }
  }
  return values;
}

Result<std::vector<std::uint64_t>> JsonObject::integers(std::string_view key,
                                                        std::uint64_t max) const {
  SELVEDGE_TRY(const nlohmann::json* const items, array(key));
  std::vector<std::uint64_t> values;
  if (items != nullptr) {
    for (const nlohmann::json& item : *items) {
      const auto* const number = item.get_ptr<const nlohmann::json::number_unsigned_t*>();
      if (number == nullptr || *number > max) {
        return fail_format(ErrorKind::kInvalid, "every item of {} must be an integer up to {}",
                           path_of(key), max);
      }
      values.push_back(*number);
    }
  }
  return values;
}

Result<std::vector<JsonObject>> JsonObject::objects(std::string_view key) const {
  SELVEDGE_TRY(const nlohmann::json* const items, array(key));
  std::vector<JsonObject> values;
  if (items != nullptr) {
    for (const nlohmann::json& item : *items) {
      SELVEDGE_TRY(auto object, open(item, fmt::format("{}[{}]", path_of(key), values.size())));
      values.push_back(std::move(object));
    }
  }
  return values;
}

Result<Environment> JsonObject::environment(std::string_view key) const {
  SELVEDGE_TRY(const nlohmann::json* const items, array(key));
  Environment values;
  if (items != nullptr) {
    for (const nlohmann::json& item : *items) {
      if (!item.is_array() || item.size() != 2) {
        return fail_format(ErrorKind::kInvalid, "every item of {} must be a name and a value",
                           path_of(key));
      }
      SELVEDGE_TRY(auto name, to_text(item[0], "every name in " + path_of(key)));
      SELVEDGE_TRY(auto value, to_text(item[1], "every value in " + path_of(key)));
      if (name.empty() || name.find('=') != std::string::npos) {
        return fail_format(ErrorKind::kInvalid, "{} has a name that is empty or contains '='",
                           path_of(key));
      }
      values.emplace_back(std::move(name), std::move(value));
    }
  }
  return values;
}

}  // namespace selvedge::app
