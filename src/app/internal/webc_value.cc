#include "app/internal/webc_value.h"

#include <utility>

#include "base/format.h"
#include "base/utf8.h"

namespace selvedge::app::internal {
namespace {

// Receives what nlohmann's reader meets, builds the value, and stops it at a limit: the reader
// itself recurses as deep as its input says.
class ValueBuilder {
 public:
  using Text = WebcValue::string_t;

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(WebcValue::number_integer_t value) { return add(value); }
  bool number_unsigned(WebcValue::number_unsigned_t value) { return add(value); }
  bool number_float(WebcValue::number_float_t value, const Text& /*text*/) { return add(value); }
  bool binary(WebcValue::binary_t& value) { return add(WebcValue::binary(std::move(value))); }
  bool string(Text& value) {
    return base::is_utf8(value) ? add(std::move(value)) : refuse("a text is not UTF-8");
  }
  bool start_object(std::size_t /*count*/) { return start(WebcValue::object()); }
  bool start_array(std::size_t /*count*/) { return start(WebcValue::array()); }
  bool end_object() { return end(); }
  bool end_array() { return end(); }
  bool key(Text& key) {
    if (!base::is_utf8(key)) {
      return refuse("a key is not UTF-8");
    }
    if (open_.back().value.contains(key)) {
      return refuse(fmt::format("the key \"{}\" is repeated", key));
    }
    open_.back().key = std::move(key);
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) {
    return refuse(fmt::format("it is not well-formed CBOR at byte {}", position));
  }

  Result<WebcValue> take() && {
    if (!fault_.empty()) {
      return fail_format(ErrorKind::kInvalid, "the package's manifest: {}", fault_);
    }
    return std::move(root_);
  }

 private:
  struct Open {
    WebcValue value;
    std::string key;  // of the item that comes next, in a map
  };

  bool refuse(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }
  bool start(WebcValue value) {
    if (open_.size() == kWebcManifestDepthMax) {
      return refuse(
          fmt::format("more than {} maps and lists lie within each other", kWebcManifestDepthMax));
    }
    open_.push_back({.value = std::move(value), .key = {}});
    return true;
  }
  bool end() {
    WebcValue value = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(value));
  }
  bool add(WebcValue value) {
    if (++items_ > kWebcManifestItemsMax) {
      return refuse(fmt::format("it has more than {} values", kWebcManifestItemsMax));
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Open& around = open_.back();
    if (around.value.size() == kWebcManifestKeysMax) {
      return refuse(fmt::format("a map or list has more than {} entries", kWebcManifestKeysMax));
    }
    if (around.value.is_array()) {
      around.value.push_back(std::move(value));
    } else {
      around.value.get_ref<WebcValue::object_t&>().emplace_back(std::move(around.key),
                                                                std::move(value));
    }
    return true;
  }

  std::vector<Open> open_;
  WebcValue root_;
  std::size_t items_ = 0;
  std::string fault_;
};

std::unexpected<Error> invalid(const std::string& path, std::string_view expected) {
  return fail_format(ErrorKind::kInvalid, "the package's manifest: {} must be {}", path, expected);
}

Result<std::string> text_of(const WebcValue& value, const std::string& path) {
  if (!value.is_string() || value.get_ref<const std::string&>().contains('\0')) {
    return invalid(path, "a text without NUL");
  }
  return value.get<std::string>();
}

}  // namespace

Result<WebcValue> decode_webc_value(base::ByteSpan cbor) {
  if (cbor.size() > kWebcManifestBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the package's manifest is larger than {} KiB",
                       kWebcManifestBytesMax / 1024);
  }
  ValueBuilder builder;
  const std::string_view text = base::as_text(cbor);
  if (!WebcValue::sax_parse(text.begin(), text.end(), &builder, WebcValue::input_format_t::cbor)) {
    SELVEDGE_TRY_VOID(std::move(builder).take());
    return fail(ErrorKind::kInvalid, "the package's manifest is not well-formed CBOR");
  }
  return std::move(builder).take();
}

std::optional<RunnerKind> kind_of_webc_runner(std::string_view runner) {
  constexpr std::string_view kRunners = "https://webc.org/runner/";
  if (!runner.starts_with(kRunners)) {
    return std::nullopt;
  }
  runner.remove_prefix(kRunners.size());
  const std::string_view name = runner.substr(0, runner.find_first_of("/@"));
  return name == "wasi"   ? std::optional(RunnerKind::kWasi)
         : name == "wcgi" ? std::optional(RunnerKind::kWcgi)
                          : std::nullopt;
}

std::string WebcTable::path_of(std::string_view key) const {
  return fmt::format("{}", fmt::join(path_to(key), "."));
}

std::vector<std::string> WebcTable::path_to(std::string_view key) const {
  std::vector<std::string> path = path_;
  path.emplace_back(key);
  return path;
}

const WebcValue* WebcTable::find(std::string_view key) {
  known_.emplace(key);
  const auto found = value_.find(key);
  return found == value_.end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<std::string>> WebcTable::text(std::string_view key) {
  const WebcValue* found = find(key);
  if (found == nullptr) {
    return std::nullopt;
  }
  return text_of(*found, path_of(key));
}

Result<std::string> WebcTable::required_text(std::string_view key) {
  SELVEDGE_TRY(auto found, text(key));
  if (!found.has_value() || found->empty()) {
    return invalid(path_of(key), "a text that is not empty");
  }
  return *std::move(found);
}

Result<std::vector<std::string>> WebcTable::texts(std::string_view key) {
  std::vector<std::string> texts;
  SELVEDGE_TRY(const WebcValue* found, list(key));
  if (found != nullptr) {
    for (const WebcValue& value : *found) {
      SELVEDGE_TRY(auto text, text_of(value, path_of(key)));
      texts.push_back(std::move(text));
    }
  }
  return texts;
}

Result<bool> WebcTable::boolean(std::string_view key) {
  const WebcValue* found = find(key);
  if (found != nullptr && !found->is_boolean()) {
    return invalid(path_of(key), "true or false");
  }
  return found != nullptr && found->get<bool>();
}

Result<const WebcValue*> WebcTable::map(std::string_view key) {
  const WebcValue* found = find(key);
  if (found != nullptr && !found->is_object()) {
    return invalid(path_of(key), "a map");
  }
  return found;
}

Result<const WebcValue*> WebcTable::list(std::string_view key) {
  const WebcValue* found = find(key);
  if (found != nullptr && !found->is_array()) {
    return invalid(path_of(key), "a list");
  }
  return found;
}

void WebcTable::finish() {
  for (const auto& [key, value] : value_.items()) {
    if (known_.contains(key)) {
      continue;
    }
    keep(key);
    if (!value.is_null()) {
      manifest_.warnings.push_back(
          fmt::format("the package's manifest: {} is not known and has no effect", path_of(key)));
    }
  }
}

void WebcTable::keep(std::string_view key) {
  const auto cbor = WebcValue::to_cbor(*value_.find(key));
  const auto bytes = std::as_bytes(std::span(cbor));
  manifest_.unknown.push_back({.path = path_to(key), .value = {bytes.begin(), bytes.end()}});
}

}  // namespace selvedge::app::internal
