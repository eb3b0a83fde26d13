#include "app/cgi_environment.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "wire/request_target.h"

namespace selvedge::app {
namespace {

// Entries of a typical request: room that is set aside at once.
constexpr std::size_t kVariablesTypical = 40;

// Builds "NAME=value" entries in place: this runs for every request, and most of its time would be
// memory management.
class Variables {
 public:
  Variables() { block_.reserve(kVariablesTypical); }

  // Precondition: there is no such entry.
  template <class... Parts>
  void add(std::string_view name, const Parts&... parts) {
    std::string& entry = block_.emplace_back();
    entry.reserve(name.size() + 1 + (std::string_view(parts).size() + ... + 0));
    entry.append(name).append(1, '=');
    (entry.append(std::string_view(parts)), ...);
  }
  void add_number(std::string_view name, std::uint64_t value) {
    const fmt::format_int digits(value);
    add(name, std::string_view(digits.data(), digits.size()));
  }
  // The entry of that name at or behind index `begin`; nullptr when there is none.
  std::string* find(std::string_view name, std::size_t begin = 0) noexcept {
    for (std::size_t i = begin; i < block_.size(); ++i) {
      std::string& entry = block_[i];
      if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
        return &entry;
      }
    }
    return nullptr;
  }
  std::size_t size() const noexcept { return block_.size(); }
  EnvironmentBlock take() && { return std::move(block_); }

 private:
  EnvironmentBlock block_;
};

// SCRIPT_NAME and PATH_INFO (still encoded as in the normalised path) of one request.
struct ScriptPath {
  std::string name;
  std::string_view info;
};

constexpr std::string_view kScriptSuffix = ".php";
constexpr std::string_view kIndexScript = "/index.php";

// The first segment that ends in ".php" ends the script's path; npos when there is none.
std::size_t script_end(std::string_view path) {
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t slash = std::min(path.find('/', begin + 1), path.size());
    if (path.substr(0, slash).ends_with(kScriptSuffix)) {
      return slash;
    }
    begin = slash;
  }
  return std::string_view::npos;
}

ScriptPath split_path(std::string_view path, const CgiScript& script) {
  if (!script.document_root.has_value() && !script.script_filename.has_value()) {
    return {.name = "", .info = path};
  }
  if (script.script_filename.has_value()) {
    // The front controller's URL path, where it lies under the document root; else its file name.
    const std::string_view file = *script.script_filename;
    const std::string_view root =
        script.document_root.has_value() ? std::string_view(*script.document_root) : "";
    const std::string_view name =
        file.starts_with(root) && file.substr(root.size()).starts_with('/')
            ? file.substr(root.size())
            : file.substr(std::min(file.rfind('/'), file.size()));
    const bool named =
        path.starts_with(name) && (path.size() == name.size() || path[name.size()] == '/');
    return {.name = std::string(name), .info = named ? path.substr(name.size()) : path};
  }
  const std::size_t end = script_end(path);
  if (end != std::string_view::npos) {
    return {.name = std::string(path.substr(0, end)), .info = path.substr(end)};
  }
  if (path.ends_with('/')) {
    return {.name = std::string(path.substr(0, path.size() - 1)).append(kIndexScript), .info = ""};
  }
  return {.name = std::string(kIndexScript), .info = path};
}

// HTTP_<NAME> into `variable`; false when the field is not passed on.
bool variable_name(wire::HeaderName name, std::string& variable) {
  static constexpr std::array<std::string_view, 4> kWithheld{"content-type", "content-length",
                                                             "expect", "proxy"};
  const auto withheld = [&](std::string_view text) {
    return wire::equals_ignoring_case(text, name.text());
  };
  if (wire::is_hop_by_hop(name) || std::ranges::any_of(kWithheld, withheld)) {
    return false;
  }
  variable = "HTTP_";
  for (const char c : name.text()) {
    if (c >= 'a' && c <= 'z') {
      variable += static_cast<char>(c - 'a' + 'A');
    } else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
      variable += c;
    } else if (c == '-') {
      variable += '_';
    } else {
      return false;
    }
  }
  return true;
}

void add_headers(const wire::RequestHead& request, const Environment& configured,
                 Variables& variables) {
  const std::size_t begin = variables.size();
  std::string name;
  for (const wire::Header header : request.headers()) {
    if (!variable_name(header.name, name) ||
        std::ranges::any_of(configured, [&](const auto& entry) { return entry.first == name; })) {
      continue;
    }
    if (std::string* earlier = variables.find(name, begin); earlier != nullptr) {
      earlier->append(name == "HTTP_COOKIE" ? "; " : ", ").append(header.value.text());
    } else {
      variables.add(name, header.value.text());
    }
  }
}

void add_content(const wire::RequestHead& request, std::optional<std::uint64_t> content_length,
                 Variables& variables) {
  if (!content_length.has_value()) {
    return;
  }
  variables.add_number("CONTENT_LENGTH", *content_length);
  if (const auto type = request.headers().find("content-type"); type.has_value()) {
    variables.add("CONTENT_TYPE", *type);
  }
}

void add_server(const wire::RequestHead& request, const HttpPeer& peer, Variables& variables) {
  const std::string_view host = request.host();
  variables.add("GATEWAY_INTERFACE", "CGI/1.1");
  variables.add("SERVER_SOFTWARE", "selvedge");
  variables.add("SERVER_PROTOCOL", wire::to_string(request.version()));
  variables.add("SERVER_NAME", host.empty() ? std::string_view(peer.local_address) : host);
  variables.add("SERVER_ADDR", peer.local_address);
  variables.add_number("SERVER_PORT", peer.local_port);
  variables.add("REMOTE_ADDR", peer.remote_address);
  if (peer.remote_port != 0) {  // which a proxy may not tell
    variables.add_number("REMOTE_PORT", peer.remote_port);
  }
  variables.add("REQUEST_METHOD", request.method().text());
  variables.add("REQUEST_SCHEME", peer.secure ? "https" : "http");
  if (peer.secure) {
    variables.add("HTTPS", "on");
  }
  // php-cgi built with force-cgi-redirect refuses to run unless its server says so.
  variables.add("REDIRECT_STATUS", "200");
}

// Decodes a path; what decodes to a ".." segment ("..%2F") would climb out of the document root.
Result<std::string> decode_path(std::string_view path) {
  SELVEDGE_TRY(std::string decoded, wire::percent_decode(path));
  if (decoded.find("/../") != std::string::npos || decoded.ends_with("/..")) {
    return fail(ErrorKind::kInvalid, "the path holds an encoded \"..\" segment");
  }
  return decoded;
}

Result<> add_paths(const wire::RequestHead& request, const CgiScript& script,
                   Variables& variables) {
  const wire::RequestTarget& target = request.target();
  const ScriptPath path = split_path(target.path(), script);
  SELVEDGE_TRY(const std::string name, decode_path(path.name));
  SELVEDGE_TRY(const std::string info, decode_path(path.info));
  variables.add("QUERY_STRING", target.query());
  if (target.is_absolute_form()) {
    variables.add("REQUEST_URI", target.path(), target.has_query() ? "?" : "", target.query());
  } else {
    variables.add("REQUEST_URI", target.text());
  }
  variables.add("SCRIPT_NAME", name);
  if (!info.empty()) {
    variables.add("PATH_INFO", info);
  }
  if (script.document_root.has_value()) {
    variables.add("DOCUMENT_ROOT", *script.document_root);
    if (!info.empty()) {
      variables.add("PATH_TRANSLATED", *script.document_root, info);
    }
  }
  if (script.script_filename.has_value()) {
    variables.add("SCRIPT_FILENAME", *script.script_filename);
  } else if (script.document_root.has_value()) {
    variables.add("SCRIPT_FILENAME", *script.document_root, name);
  }
  return {};
}

}  // namespace

CgiScript CgiScript::from(const Environment& configured) {
  CgiScript script;
  for (const auto& [name, value] : configured) {
    if (name == "DOCUMENT_ROOT") {
      script.document_root = value;
      while (script.document_root->ends_with('/')) {
        script.document_root->pop_back();
      }
    } else if (name == "SCRIPT_FILENAME") {
      script.script_filename = value;
    }
  }
  return script;
}

Result<EnvironmentBlock> cgi_environment(const wire::RequestHead& request, const HttpPeer& peer,
                                         std::optional<std::uint64_t> content_length,
                                         const CgiScript& script, const Environment& configured) {
  Variables variables;
  add_server(request, peer, variables);
  add_content(request, content_length, variables);
  SELVEDGE_TRY_VOID(add_paths(request, script, variables));
  for (const auto& [name, value] : configured) {
    if (variables.find(name) == nullptr) {
      variables.add(name, value);
    }
  }
  add_headers(request, configured, variables);
  return std::move(variables).take();
}

}  // namespace selvedge::app
