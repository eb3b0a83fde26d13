#include "app/internal/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/quantity.h"

namespace selvedge::app::internal {
namespace {

std::string_view type_name(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return "a value";
    default:
      return "nothing";
  }
}

std::string position(std::string_view file_name, const YAML::Mark& mark) {
  return fmt::format("{}:{}:{}", file_name, mark.line + 1, mark.column + 1);
}

Result<std::string> to_text(const YamlFile& file, const YAML::Node& node, std::string_view what) {
  if (!node.IsScalar()) {
    return fail_at(file, node, ErrorKind::kInvalid, "{} must be a text, not {}", what,
                   type_name(node));
  }
  if (node.Scalar().find('\0') != std::string::npos) {
    return fail_at(file, node, ErrorKind::kInvalid, "{} must not contain a NUL character", what);
  }
  return node.Scalar();
}

class IgnoreEvents final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}
};

// Counts the documents up to two before any is built: where a document cannot begin (","),
// yaml-cpp finds empty ones without end.
Result<YAML::Node> only_document(const std::string& text, std::string_view file_name) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  IgnoreEvents ignore;
  const bool any = parser.HandleNextDocument(ignore);
  if (!any || parser.HandleNextDocument(ignore)) {
    return fail_format(ErrorKind::kInvalid, "{}: must hold one YAML document, not {}", file_name,
                       any ? "several" : "none");
  }
  return YAML::Load(text);
}

}  // namespace

std::string position(const YamlFile& file, const YAML::Node& node) {
  return position(file.name, node.Mark());
}

Result<YAML::Node> parse_yaml(std::string_view text, std::string_view file_name) {
  try {
    return only_document(std::string(text), file_name);
  } catch (const YAML::Exception& error) {
    return fail_format(ErrorKind::kInvalid, "{}: {}", position(file_name, error.mark), error.msg);
  }
}

Result<YamlMap> YamlMap::open(YamlFile& file, const YAML::Node& node, std::string path) {
  const std::string what = path.empty() ? "the document" : path;
  if (!node.IsMap()) {
    return fail_at(file, node, ErrorKind::kInvalid, "{} must be a mapping (key: value), not {}",
                   what, type_name(node));
  }
  if (node.size() > kYamlItemsMax) {
    return fail_at(file, node, ErrorKind::kInvalid, "{} has more than {} keys", what,
                   kYamlItemsMax);
  }
  std::set<std::string_view> seen;
  for (const auto& entry : node) {
    SELVEDGE_TRY_VOID(to_text(file, entry.first, "every key of " + what));
    if (!seen.insert(entry.first.Scalar()).second) {
      return fail_at(file, entry.first, ErrorKind::kInvalid, "{} has the key {} twice", what,
                     entry.first.Scalar());
    }
  }
  return YamlMap(file, node, std::move(path));
}

std::optional<YAML::Node> YamlMap::find(std::string_view key) {
  known_.emplace(key);
  for (const auto& entry : node_) {
    if (entry.first.Scalar() == key) {
      return entry.second.IsNull() ? std::nullopt : std::optional<YAML::Node>(entry.second);
    }
  }
  return std::nullopt;
}

Result<std::optional<std::string>> YamlMap::text(std::string_view key) {
  const auto node = find(key);
  if (!node.has_value()) {
    return std::optional<std::string>();
  }
  SELVEDGE_TRY(auto value, to_text(*file_, *node, path_of(key)));
  return std::optional(std::move(value));
}

Result<std::optional<bool>> YamlMap::boolean(std::string_view key) {
  SELVEDGE_TRY(const auto value, text(key));
  if (!value.has_value()) {
    return std::optional<bool>();
  }
  for (const auto* word : {"true", "True", "TRUE"}) {
    if (*value == word) {
      return std::optional(true);
    }
  }
  for (const auto* word : {"false", "False", "FALSE"}) {
    if (*value == word) {
      return std::optional(false);
    }
  }
  return fail_at(*file_, *find(key), ErrorKind::kInvalid, "{} must be true or false, not \"{}\"",
                 path_of(key), *value);
}

Result<std::optional<std::uint64_t>> YamlMap::integer(std::string_view key, std::uint64_t min,
                                                      std::uint64_t max) {
  SELVEDGE_TRY(const auto value, text(key));
  if (!value.has_value()) {
    return std::optional<std::uint64_t>();
  }
  std::uint64_t number = 0;
  const char* const end = value->data() + value->size();
  const auto [parsed, error] = std::from_chars(value->data(), end, number);
  if (error != std::errc() || parsed != end || number < min || number > max) {
    return fail_at(*file_, *find(key), ErrorKind::kInvalid,
                   "{} must be a whole number from {} to {}, not \"{}\"", path_of(key), min, max,
                   *value);
  }
  return std::optional(number);
}

Result<std::optional<base::Duration>> YamlMap::duration(std::string_view key) {
  SELVEDGE_TRY(const auto value, text(key));
  if (!value.has_value()) {
    return std::optional<base::Duration>();
  }
  auto parsed = base::parse_duration(*value);
  if (!parsed.has_value()) {
    return fail_at(*file_, *find(key), ErrorKind::kInvalid, "{}: {}", path_of(key),
                   parsed.error().message());
  }
  return std::optional(*parsed);
}

Result<std::optional<std::uint64_t>> YamlMap::bytes(std::string_view key) {
  SELVEDGE_TRY(const auto value, text(key));
  if (!value.has_value()) {
    return std::optional<std::uint64_t>();
  }
  auto parsed = base::parse_bytes(*value);
  if (!parsed.has_value()) {
    return fail_at(*file_, *find(key), ErrorKind::kInvalid, "{}: {}", path_of(key),
                   parsed.error().message());
  }
  return std::optional(*parsed);
}

Result<std::vector<std::string>> YamlMap::texts(std::string_view key) {
  std::vector<std::string> values;
  const auto node = find(key);
  if (!node.has_value()) {
    return values;
  }
  if (!node->IsSequence() || node->size() > kYamlItemsMax) {
    return fail_at(*file_, *node, ErrorKind::kInvalid, "{} must be a list of at most {} texts",
                   path_of(key), kYamlItemsMax);
  }
  for (const auto& item : *node) {
    SELVEDGE_TRY(auto value, to_text(*file_, item, "every item of " + path_of(key)));
    values.push_back(std::move(value));
  }
  return values;
}

Result<std::optional<YamlMap>> YamlMap::map(std::string_view key) {
  const auto node = find(key);
  if (!node.has_value()) {
    return std::optional<YamlMap>();
  }
  SELVEDGE_TRY(auto opened, open(*file_, *node, path_of(key)));
  return std::optional(std::move(opened));
}

Result<std::vector<YamlMap>> YamlMap::maps(std::string_view key) {
  std::vector<YamlMap> values;
  const auto node = find(key);
  if (!node.has_value()) {
    return values;
  }
  if (!node->IsSequence() || node->size() > kYamlItemsMax) {
    return fail_at(*file_, *node, ErrorKind::kInvalid, "{} must be a list of at most {} mappings",
                   path_of(key), kYamlItemsMax);
  }
  for (std::size_t i = 0; i < node->size(); ++i) {
    SELVEDGE_TRY(auto opened, open(*file_, (*node)[i], fmt::format("{}[{}]", path_of(key), i)));
    values.push_back(std::move(opened));
  }
  return values;
}

Result<Environment> YamlMap::environment(std::string_view key) {
  Environment environment;
  SELVEDGE_TRY(auto entries, map(key));
  if (!entries.has_value()) {
    return environment;
  }
  for (const auto& entry : entries->node_) {
    const std::string& name = entry.first.Scalar();
    if (name.empty() || name.find('=') != std::string::npos) {
      return fail_at(*file_, entry.first, ErrorKind::kInvalid,
                     "{} has a name that is empty or contains '='", path_of(key));
    }
    std::string value;
    if (!entry.second.IsNull()) {
      SELVEDGE_TRY(value, to_text(*file_, entry.second, entries->path_of(name)));
    }
    environment.emplace_back(name, std::move(value));
  }
  return environment;
}

void YamlMap::without_effect(std::string_view key, std::string_view reason) {
  if (const auto node = find(key)) {
    file_->warnings.push_back(fmt::format("{}: {} has no effect here: {}", position(*file_, *node),
                                          path_of(key), reason));
  }
}

void YamlMap::finish() {
  for (const auto& entry : node_) {
    const std::string& key = entry.first.Scalar();
    if (known_.contains(key)) {
      continue;
    }
    const std::string path = path_of(key);
    file_->unknown.push_back(path);
    file_->warnings.push_back(fmt::format("{}: unknown key {} is kept but not used",
                                          position(*file_, entry.first), path));
  }
}

}  // namespace selvedge::app::internal
