#include <algorithm>
#include <charconv>

#include "app/internal/webc_value.h"
#include "app/webc_manifest.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

using internal::WebcValue;

void set(WebcValue& map, std::string_view key, const std::optional<std::string>& value) {
  if (value.has_value()) {
    map[key] = *value;
  }
}
void set(WebcValue& map, std::string_view key, const std::string& value) {
  if (!value.empty()) {
    map[key] = value;
  }
}
void set(WebcValue& map, std::string_view key, const std::optional<WebcFile>& value) {
  if (value.has_value()) {
    map[key] = {{"volume", value->volume}, {"path", value->path}};
  }
}

WebcValue description(const WebcManifest& manifest) {
  WebcValue wapm = WebcValue::object();
  set(wapm, "name", manifest.name);
  set(wapm, "version", manifest.version);
  set(wapm, "description", manifest.description);
  set(wapm, "license", manifest.license);
  set(wapm, "license-file", manifest.license_file);
  set(wapm, "readme", manifest.readme);
  set(wapm, "repository", manifest.repository);
  set(wapm, "homepage", manifest.homepage);
  if (manifest.is_private) {
    wapm["private"] = true;
  }
  return wapm;
}

WebcValue mounts(const WebcManifest& manifest) {
  WebcValue list = WebcValue::array();
  for (const WebcMount& mount : manifest.mounts) {
    WebcValue map = WebcValue::object();
    map["from"] = nullptr;
    set(map, "from", mount.from);
    map["volume_name"] = mount.volume;
    set(map, "host_path", mount.host_path);
    map["mount_path"] = mount.guest;
    list.push_back(std::move(map));
  }
  return list;
}

WebcValue atom(const WebcAtom& atom) {
  WebcValue map = WebcValue::object();
  map["kind"] = atom.kind;
  map["signature"] = atom.signature;
  if (!atom.features.empty()) {
    map["annotations"]["wasm"]["features"] = atom.features;
  }
  return map;
}

WebcValue wasi(const WebcCommand& command) {
  WebcValue map = WebcValue::object();
  // Also here, for tools from before there was an annotation for the atom.
  map["atom"] =
      command.dependency ? fmt::format("{}:{}", *command.dependency, command.atom) : command.atom;
  set(map, "package", command.package);
  if (!command.env.empty()) {
    WebcValue& env = map["env"] = WebcValue::array();
    for (const auto& [key, value] : command.env) {
      env.push_back(fmt::format("{}={}", key, value));
    }
  }
  if (!command.main_args.empty()) {
    map["main-args"] = command.main_args;
  }
  set(map, "cwd", command.cwd);
  set(map, "exec-name", command.exec_name);
  return map;
}

WebcValue command(const WebcCommand& command) {
  WebcValue map = WebcValue::object();
  map["runner"] = command.runner;
  WebcValue& annotations = map["annotations"] = WebcValue::object();
  if (!command.atom.empty()) {
    annotations["atom"]["name"] = command.atom;
    set(annotations["atom"], "dependency", command.dependency);
  }
  // Runners that are not ours have it only if it says something.
  if (auto map_of_wasi = wasi(command);
      map_of_wasi.size() > 1 || internal::kind_of_webc_runner(command.runner).has_value()) {
    annotations["wasi"] = std::move(map_of_wasi);
  }
  if (command.wcgi_dialect.has_value()) {
    annotations["wcgi"]["dialect"] = *command.wcgi_dialect;
  }
  return map;
}

// Puts a value back where it was found; what is there already stays.
void restore(WebcValue& document, const WebcUnknown& unknown) {
  WebcValue* at = &document;
  for (const std::string& key : unknown.path) {
    if (at->is_null()) {
      *at = WebcValue::object();
    }
    if (at->is_object()) {
      at = &(*at)[key];
      continue;
    }
    std::size_t index = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), index);
    if (!at->is_array() || parsed.ec != std::errc() || index >= at->size()) {
      return;
    }
    at = &(*at)[index];
  }
  if (at->is_null()) {
    if (auto value = internal::decode_webc_value(unknown.value); value) {
      *at = *std::move(value);
    }
  }
}

}  // namespace

std::vector<std::byte> build_webc_manifest(const WebcManifest& manifest) {
  WebcValue document = WebcValue::object();
  for (const WebcDependency& dependency : manifest.dependencies) {
    document["use"][dependency.name] = dependency.specifier;
  }
  if (auto wapm = description(manifest); !wapm.empty()) {
    document["package"]["wapm"] = std::move(wapm);
  }
  if (!manifest.mounts.empty()) {
    document["package"]["fs"] = mounts(manifest);
  }
  for (const WebcAtom& item : manifest.atoms) {
    document["atoms"][item.name] = atom(item);
  }
  for (const WebcCommand& item : manifest.commands) {
    document["commands"][item.name] = command(item);
  }
  for (const WebcUnknown& unknown : manifest.unknown) {
    restore(document, unknown);
  }
  set(document, "entrypoint", manifest.entrypoint);
  const auto cbor = WebcValue::to_cbor(document);
  const auto bytes = std::as_bytes(std::span(cbor));
  return {bytes.begin(), bytes.end()};
}

}  // namespace selvedge::app
