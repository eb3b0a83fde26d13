#include "app/internal/annotation_file.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <concepts>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/internal/yaml_reader.h"
#include "base/format.h"

namespace selvedge::app::internal {
namespace {

// Builds the table from what a reader meets, in order. Every function is false when the document
// is at fault, which `take` then says.
class TableBuilder {
 public:
  explicit TableBuilder(std::string_view file_name) : file_name_(file_name) {}

  bool key(std::string text, TomlPosition at) {
    if (open_.back()->as_table()->contains(text)) {
      return refuse(at, fmt::format("the key \"{}\" is there twice", text));
    }
    key_ = std::move(text);
    return true;
  }
  bool null(TomlPosition at) {
    return !open_.empty() && open_.back()->is_table() ? count(at)
                                                      : refuse(at, "a value is missing here");
  }
  template <class Value>
  bool value(Value value, TomlPosition at) {
    return add(std::move(value), at) != nullptr;
  }
  template <class Container>
  bool begin(TomlPosition at) {
    if (open_.size() == kAnnotationDepthMax) {
      return refuse(at, fmt::format("more than {} mappings and lists lie within each other",
                                    kAnnotationDepthMax));
    }
    toml::node* const made = add(Container(), at);
    if (made == nullptr) {
      return false;
    }
    open_.push_back(made);
    return true;
  }
  bool end() {
    open_.pop_back();
    return true;
  }
  bool refuse(TomlPosition at, std::string_view fault) {
    fault_ = fmt::format("{}:{}:{}: {}", file_name_, at.line, at.column, fault);
    return false;
  }

  Result<AnnotationDocument> take() && {
    if (!fault_.empty()) {
      return fail(ErrorKind::kInvalid, std::move(fault_));
    }
    return std::move(document_);
  }

 private:
  bool count(TomlPosition at) {
    return ++values_ <= kAnnotationValuesMax ||
           refuse(at, fmt::format("more than {} values", kAnnotationValuesMax));
  }

  template <class Value>
  toml::node* add(Value value, TomlPosition at) {
    if (!count(at)) {
      return nullptr;
    }
    if (open_.empty()) {
      if constexpr (std::same_as<Value, toml::table>) {
        return &document_.table;
      }
      refuse(at, "the document must be a mapping (key: value)");
      return nullptr;
    }
    toml::node* made = nullptr;
    if (toml::array* const list = open_.back()->as_array(); list != nullptr) {
      list->push_back(std::move(value));
      made = &list->back();
    } else {
      made = &open_.back()->as_table()->insert(key_, std::move(value)).first->second;
    }
    document_.positions.emplace(made, at);
    return made;
  }

  std::string_view file_name_;
  AnnotationDocument document_;
  std::vector<toml::node*> open_;
  std::string key_;
  std::size_t values_ = 0;
  std::string fault_;
};

// What a plain scalar of YAML's core schema means; quoted ones are texts.
bool add_scalar(const YAML::Node& node, TomlPosition at, TableBuilder& builder) {
  const std::string& text = node.Scalar();
  if (node.Tag() != "?") {
    return builder.value(text, at);
  }
  for (const bool meant : {true, false}) {
    for (const auto* word : meant ? std::initializer_list<const char*>{"true", "True", "TRUE"}
                                  : std::initializer_list<const char*>{"false", "False", "FALSE"}) {
      if (text == word) {
        return builder.value(meant, at);
      }
    }
  }
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto read = std::from_chars(text.data(), end, whole);
      read.ptr == end && read.ec == std::errc()) {
    return builder.value(whole, at);
  }
  double number = 0;
  if (const auto read = std::from_chars(text.data(), end, number);
      read.ptr == end && read.ec == std::errc()) {
    return builder.value(number, at);
  }
  return builder.value(text, at);
}

TomlPosition position_of(const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  return {.line = static_cast<std::uint32_t>(mark.line + 1),
          .column = static_cast<std::uint32_t>(mark.column + 1)};
}

bool add_yaml(const YAML::Node& node, TableBuilder& builder) {
  const TomlPosition at = position_of(node);
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return add_scalar(node, at, builder);
    case YAML::NodeType::Sequence:
      if (!builder.begin<toml::array>(at)) {
        return false;
      }
      for (const auto& item : node) {
        if (!add_yaml(item, builder)) {
          return false;
        }
      }
      return builder.end();
    case YAML::NodeType::Map:
      if (!builder.begin<toml::table>(at)) {
        return false;
      }
      for (const auto& entry : node) {
        if (!entry.first.IsScalar()) {
          return builder.refuse(position_of(entry.first), "every key must be a text");
        }
        if (!builder.key(entry.first.Scalar(), position_of(entry.first)) ||
            !add_yaml(entry.second, builder)) {
          return false;
        }
      }
      return builder.end();
    default:
      return builder.null(at);
  }
}

// The characters of a JSON text, which remember where the token begins that is being read.
struct JsonPlace {
  TomlPosition next{.line = 1, .column = 1};
  std::optional<TomlPosition> token;
};

class JsonCharacters {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  JsonCharacters(const char* at, JsonPlace& place) : at_(at), place_(&place) {}
  reference operator*() const { return *at_; }
  JsonCharacters& operator++() {
    if (!place_->token.has_value() && !std::string_view(" \t\r\n,:").contains(*at_)) {
      place_->token = place_->next;
    }
    if (*at_ == '\n') {
      place_->next = {.line = place_->next.line + 1, .column = 1};
    } else {
      ++place_->next.column;
    }
    ++at_;
    return *this;
  }
  JsonCharacters operator++(int) {
    const JsonCharacters before = *this;
    ++*this;
    return before;
  }
  bool operator==(const JsonCharacters& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  JsonPlace* place_;
};

// What nlohmann's reader calls, one function for each kind of value.
class JsonEvents {
 public:
  using Text = nlohmann::json::string_t;

  JsonEvents(TableBuilder& builder, JsonPlace& place) : builder_(builder), place_(place) {}

  bool null() { return builder_.null(token()); }
  bool boolean(bool value) { return builder_.value(value, token()); }
  bool number_integer(std::int64_t value) { return builder_.value(value, token()); }
  bool number_unsigned(std::uint64_t value) {
    return std::in_range<std::int64_t>(value)
               ? builder_.value(static_cast<std::int64_t>(value), token())
               : builder_.value(static_cast<double>(value), token());
  }
  bool number_float(double value, const Text& /*text*/) { return builder_.value(value, token()); }
  bool string(Text& value) { return builder_.value(std::move(value), token()); }
  bool binary(nlohmann::json::binary_t& /*value*/) { return false; }  // JSON has none
  bool start_object(std::size_t /*count*/) { return builder_.begin<toml::table>(token()); }
  bool start_array(std::size_t /*count*/) { return builder_.begin<toml::array>(token()); }
  bool key(Text& key) { return builder_.key(std::move(key), token()); }
  bool end_object() { return end(); }
  bool end_array() { return end(); }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) {
    return builder_.refuse(place_.token.value_or(place_.next), "not valid JSON here");
  }

 private:
  bool end() {
    place_.token.reset();
    return builder_.end();
  }
  TomlPosition token() { return std::exchange(place_.token, std::nullopt).value_or(place_.next); }

  TableBuilder& builder_;
  JsonPlace& place_;
};

}  // namespace

Result<AnnotationDocument> parse_annotations(std::string_view text, AnnotationKind kind,
                                             std::string_view file_name) {
  TableBuilder builder(file_name);
  if (kind == AnnotationKind::kYaml) {
    SELVEDGE_TRY(const YAML::Node document, parse_yaml(text, file_name));
    add_yaml(document, builder);
  } else {
    JsonPlace place;
    JsonEvents events(builder, place);
    nlohmann::json::sax_parse(JsonCharacters(text.data(), place),
                              JsonCharacters(text.data() + text.size(), place), &events);
  }
  return std::move(builder).take();
}

}  // namespace selvedge::app::internal
