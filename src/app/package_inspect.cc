#include "app/package_inspect.h"

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/format.h"
#include "crypto/blake3.h"
#include "crypto/sha256.h"
#include "engine/module_info.h"

namespace selvedge::app {
namespace {

using nlohmann::json;

std::string hex(base::ByteSpan bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

std::string sha256_hex(base::ByteSpan bytes) { return hex(crypto::sha256(std::vector{bytes})); }

void set(json& object, const char* key, const std::optional<std::string>& value) {
  if (value.has_value()) {
    object[key] = *value;
  }
}

json command_json(const WebcCommand& command) {
  json environment = json::object();
  for (const auto& [name, value] : command.env) {
    environment[name] = value;
  }
  json made{
      {"name", command.name},
      {"runner", command.kind.has_value() ? std::string(to_string(*command.kind)) : command.runner},
      {"runnable", command.kind.has_value()},
      {"module", command.atom},
      {"main_args", command.main_args},
      {"env", std::move(environment)}};
  set(made, "dependency", command.dependency);
  set(made, "exec_name", command.exec_name);
  return made;
}

// What it imports, by module; or why the engine would not take it.
json module_json(const wire::WebcNode& atom) {
  json made{{"name", atom.name},
            {"bytes", atom.content.size()},
            {"sha256", sha256_hex(atom.content)},
            {"blake3", crypto::blake3(atom.content).hex()}};
  const auto info = engine::inspect_module(atom.content);
  if (!info.has_value()) {
    made["error"] = info.error().message();
    return made;
  }
  json imports = json::object();
  for (const engine::InspectedImport& import : info->imports) {
    imports[import.module].push_back(import.name);
  }
  made["imports"] = std::move(imports);
  return made;
}

void list_files(const wire::WebcNode& folder, const std::string& path, json& files) {
  for (const wire::WebcNode& child : folder.children) {
    json entry{{"path", path + child.name}};
    if (child.kind == wire::WebcKind::kDirectory) {
      if (child.children.empty()) {
        entry["kind"] = "folder";
        files.push_back(std::move(entry));
      }
      list_files(child, path + child.name + "/", files);
      continue;
    }
    if (child.kind == wire::WebcKind::kSymlink) {
      entry["kind"] = "link";
      entry["target"] = base::as_text(child.content);
    } else {
      entry["kind"] = "file";
      entry["bytes"] = child.content.size();
      entry["sha256"] = hex(child.checksum);
    }
    files.push_back(std::move(entry));
  }
}

json mounts_json(const WebcManifest& manifest) {
  json mounts = json::array();
  for (const WebcMount& mount : manifest.mounts) {
    json made{{"guest", mount.guest}, {"volume", mount.volume}};
    set(made, "folder", mount.host_path);
    set(made, "dependency", mount.from);
    mounts.push_back(std::move(made));
  }
  return mounts;
}

}  // namespace

json inspect_package(const WebcFileContents& webc) {
  const WebcManifest& manifest = webc.manifest;
  json made{{"name", manifest.name},
            {"version", manifest.version},
            {"description", manifest.description},
            {"private", manifest.is_private},
            {"webc", static_cast<int>(webc.package.version())},
            {"bytes", webc.bytes.size()},
            {"sha256", sha256_hex(base::as_bytes(webc.bytes))},
            {"commands", json::array()},
            {"modules", json::array()},
            {"mounts", mounts_json(manifest)},
            {"volumes", json::array()},
            {"dependencies", json::array()},
            {"warnings", manifest.warnings}};
  set(made, "entrypoint", manifest.entrypoint);
  set(made, "license", manifest.license);
  set(made, "repository", manifest.repository);
  set(made, "homepage", manifest.homepage);
  for (const WebcCommand& command : manifest.commands) {
    made["commands"].push_back(command_json(command));
  }
  for (const wire::WebcNode& atom : webc.package.atoms()) {
    made["modules"].push_back(module_json(atom));
  }
  for (const wire::WebcVolume& volume : webc.package.volumes()) {
    json files = json::array();
    list_files(volume.root, "/", files);
    made["volumes"].push_back({{"name", volume.name}, {"files", std::move(files)}});
  }
  for (const WebcDependency& dependency : manifest.dependencies) {
    made["dependencies"].push_back(
        {{"name", dependency.name}, {"specifier", dependency.specifier}});
  }
  return made;
}

}  // namespace selvedge::app
