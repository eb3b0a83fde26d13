#include "app/internal/check_reader.h"

#include <charconv>
#include <utility>

namespace selvedge::app::internal {
namespace {

// What is expected, under the names of one of the two spellings.
struct ExpectationKeys {
  const char* status_codes;
  const char* body_includes;
  const char* body_regex;
};

constexpr ExpectationKeys kNested{
    .status_codes = "status_codes", .body_includes = "body_includes", .body_regex = "body_regex"};
constexpr ExpectationKeys kFlat{.status_codes = "expected_status_codes",
                                .body_includes = "expected_body_includes",
                                .body_regex = "expected_body_regex"};

Result<std::vector<std::uint16_t>> read_status_codes(const YamlFile& file, YamlMap& map,
                                                     const char* key) {
  SELVEDGE_TRY(const auto texts, map.texts(key));
  if (texts.size() > kExpectedStatusCodesMax) {
    return fail_at(file, *map.find(key), ErrorKind::kInvalid, "{} has more than {} codes",
                   map.path_of(key), kExpectedStatusCodesMax);
  }
  std::vector<std::uint16_t> codes;
  for (const std::string& text : texts) {
    std::uint16_t code = 0;
    const char* const end = text.data() + text.size();
    const auto [parsed, error] = std::from_chars(text.data(), end, code);
    if (error != std::errc() || parsed != end || code < 200 || code > 599) {
      return fail_at(file, *map.find(key), ErrorKind::kInvalid,
                     "{} must be status codes from 200 to 599, not \"{}\"", map.path_of(key), text);
    }
    codes.push_back(code);
  }
  return codes;
}

Result<std::string> read_bounded(const YamlFile& file, YamlMap& map, const char* key,
                                 std::size_t bytes_max) {
  SELVEDGE_TRY(auto text, map.text(key));
  if (text.has_value() && text->size() > bytes_max) {
    return fail_at(file, *map.find(key), ErrorKind::kInvalid, "{} is longer than {} bytes",
                   map.path_of(key), bytes_max);
  }
  return std::move(text).value_or("");
}

Result<HttpExpectation> read_expectation(const YamlFile& file, YamlMap& map,
                                         const ExpectationKeys& keys) {
  HttpExpectation made;
  SELVEDGE_TRY(made.status_codes, read_status_codes(file, map, keys.status_codes));
  SELVEDGE_TRY(made.body_includes,
               read_bounded(file, map, keys.body_includes, kExpectedTextBytesMax));
  SELVEDGE_TRY(made.body_regex, read_bounded(file, map, keys.body_regex, kExpectedTextBytesMax));
  if (!made.body_regex.empty()) {
    if (const auto valid = check_regex(made.body_regex); !valid.has_value()) {
      return fail_at(file, *map.find(keys.body_regex), ErrorKind::kInvalid, "{}: {}",
                     map.path_of(keys.body_regex), valid.error().message());
    }
  }
  return made;
}

// {name: …, value: …}, any number of them.
Result<std::vector<std::pair<std::string, std::string>>> read_headers(const YamlFile& file,
                                                                      YamlMap& map) {
  std::vector<std::pair<std::string, std::string>> headers;
  SELVEDGE_TRY(auto entries, map.maps("headers"));
  if (entries.size() > kCheckHeadersMax) {
    return fail_at(file, *map.find("headers"), ErrorKind::kInvalid, "{} has more than {} entries",
                   map.path_of("headers"), kCheckHeadersMax);
  }
  for (YamlMap& entry : entries) {
    SELVEDGE_TRY(auto name, entry.text("name"));
    SELVEDGE_TRY(auto value, entry.text("value"));
    if (!name.has_value()) {
      return fail_at(file, entry.node(), ErrorKind::kInvalid, "{} is missing",
                     entry.path_of("name"));
    }
    headers.emplace_back(*std::move(name), std::move(value).value_or(""));
    entry.finish();
  }
  return headers;
}

Result<HealthCheckConfig> read_health_check(const YamlFile& file, YamlMap& entry) {
  SELVEDGE_TRY(auto http, entry.map("http"));
  if (!http.has_value()) {
    return fail_at(file, entry.node(), ErrorKind::kInvalid,
                   "{} is missing: the only kind of health check is http", entry.path_of("http"));
  }
  HealthCheckConfig made;
  SELVEDGE_TRY(made.http, read_http_check(file, *http));
  SELVEDGE_TRY(const auto interval, http->duration("interval"));
  made.interval = interval.value_or(made.interval);
  if (made.interval < kHealthIntervalMin) {
    return fail_at(file, *http->find("interval"), ErrorKind::kInvalid, "{} must be at least 100ms",
                   http->path_of("interval"));
  }
  made.http.timeout = made.http.timeout.value_or(kHealthTimeoutDefault);
  SELVEDGE_TRY(const auto unhealthy, http->integer("unhealthy_threshold", 1, kHealthThresholdMax));
  SELVEDGE_TRY(const auto healthy, http->integer("healthy_threshold", 1, kHealthThresholdMax));
  made.unhealthy_threshold = static_cast<std::uint32_t>(unhealthy.value_or(1));
  made.healthy_threshold = static_cast<std::uint32_t>(healthy.value_or(1));
  http->finish();
  entry.finish();
  return made;
}

}  // namespace

Result<HttpCheck> read_http_check(const YamlFile& file, YamlMap& map) {
  HttpCheck made;
  SELVEDGE_TRY(auto path, map.text("path"));
  SELVEDGE_TRY(auto method, map.text("method"));
  made.path = std::move(path).value_or(made.path);
  made.method = std::move(method).value_or(made.method);
  if (!made.path.starts_with('/')) {
    return fail_at(file, *map.find("path"), ErrorKind::kInvalid, "{} must begin with \"/\"",
                   map.path_of("path"));
  }
  SELVEDGE_TRY(made.headers, read_headers(file, map));
  SELVEDGE_TRY(made.content, read_bounded(file, map, "body", kCheckContentBytesMax));
  SELVEDGE_TRY(made.timeout, map.duration("timeout"));
  SELVEDGE_TRY(made.expect, read_expectation(file, map, kFlat));
  SELVEDGE_TRY(auto nested, map.map("expect"));
  if (nested.has_value()) {
    if (made.expect != HttpExpectation()) {
      return fail_at(file, nested->node(), ErrorKind::kInvalid,
                     "{} says again what expected_… beside it says: remove one",
                     map.path_of("expect"));
    }
    SELVEDGE_TRY(made.expect, read_expectation(file, *nested, kNested));
    nested->finish();
  }
  if (const auto request = request_of(made, "localhost"); !request.has_value()) {
    return fail_at(file, map.node(), ErrorKind::kInvalid, "{} is no request that can be sent: {}",
                   map.path(), request.error().message());
  }
  return made;
}

Result<std::vector<HealthCheckConfig>> read_health_checks(const YamlFile& file, YamlMap& root) {
  SELVEDGE_TRY(auto entries, root.maps("health_checks"));
  if (entries.size() > kHealthChecksMax) {
    return fail_at(file, *root.find("health_checks"), ErrorKind::kInvalid,
                   "health_checks has more than {} entries", kHealthChecksMax);
  }
  std::vector<HealthCheckConfig> checks;
  for (YamlMap& entry : entries) {
    SELVEDGE_TRY(auto check, read_health_check(file, entry));
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace selvedge::app::internal
