#include "app/package_image.h"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "app/json_reader.h"
#include "app/package.h"
#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kNameBytesMax = 256;
constexpr std::size_t kModuleNameBytesMax = 2 * kNameBytesMax + kNameBytesMax;  // with a package

nlohmann::json to_json(const BlobReference& blob) {
  return {{"blob", blob.hash.hex()}, {"bytes", blob.bytes}};
}

nlohmann::json to_json(const Environment& environment) {
  nlohmann::json entries = nlohmann::json::array();
  for (const auto& [name, value] : environment) {
    entries.push_back({name, value});
  }
  return entries;
}

nlohmann::json to_json(const ImageCommand& command) {
  nlohmann::json made{{"name", command.name},
                      {"module", command.module},
                      {"program_name", command.program_name},
                      {"main_args", command.main_args},
                      {"env", to_json(command.environment)}};
  if (command.runner.has_value()) {
    made["runner"] = to_string(*command.runner);
  }
  return made;
}

Result<BlobReference> parse_blob(const JsonObject& object, std::uint64_t bytes_max) {
  BlobReference blob;
  SELVEDGE_TRY(blob.hash, object.hash("blob"));
  SELVEDGE_TRY(blob.bytes, object.integer("bytes", bytes_max));
  return blob;
}

Result<std::string> parse_name(const JsonObject& object, std::string_view key,
                               std::size_t bytes_max = kNameBytesMax) {
  SELVEDGE_TRY(auto name, object.text(key));
  if (name.empty() || name.size() > bytes_max) {
    return fail_format(ErrorKind::kInvalid, "{} must have 1 to {} bytes", object.path_of(key),
                       bytes_max);
  }
  return name;
}

// `name` is none of the items' so far.
template <class Items, class Member>
Result<> check_new(const Items& items, Member member, const std::string& name,
                   std::string_view what) {
  if (std::ranges::find(items, name, member) != items.end()) {
    return fail_format(ErrorKind::kInvalid, "the package has two {} \"{}\"", what, name);
  }
  return {};
}

Result<> parse_modules(const JsonObject& root, PackageImage& image) {
  SELVEDGE_TRY(const auto objects, root.objects("modules"));
  if (objects.size() > kManifestModulesMax) {
    return fail_format(ErrorKind::kInvalid, "the package has more than {} modules",
                       kManifestModulesMax);
  }
  for (const JsonObject& object : objects) {
    ImageModule module;
    SELVEDGE_TRY(module.name, parse_name(object, "name", kModuleNameBytesMax));
    SELVEDGE_TRY(module.blob, parse_blob(object, kModuleBytesMax));
    SELVEDGE_TRY_VOID(check_new(image.modules, &ImageModule::name, module.name, "modules"));
    image.modules.push_back(std::move(module));
  }
  return {};
}

Result<> parse_volumes(const JsonObject& root, PackageImage& image) {
  SELVEDGE_TRY(const auto objects, root.objects("volumes"));
  if (objects.size() > kManifestMountsMax) {
    return fail_format(ErrorKind::kInvalid, "the package has more than {} volumes",
                       kManifestMountsMax);
  }
  for (const JsonObject& object : objects) {
    ImageVolume volume;
    SELVEDGE_TRY(const std::string guest, object.text("guest"));
    auto normalised = normalise_guest_path(guest);
    if (!normalised.has_value() || *normalised != guest) {
      return fail_format(ErrorKind::kInvalid, "{} must be an absolute path without \".\" or \"..\"",
                         object.path_of("guest"));
    }
    volume.guest = *std::move(normalised);
    SELVEDGE_TRY(volume.blob, parse_blob(object, kVolumeBytesMax));
    SELVEDGE_TRY(const auto layer, object.optional_integer("layer", UINT32_MAX));
    volume.layer = static_cast<std::size_t>(layer.value_or(0));
    if (volume.layer != 0 && volume.layer >= image.origins.size()) {
      return fail_format(ErrorKind::kInvalid, "{} is none of the package's origins",
                         object.path_of("layer"));
    }
    if (std::ranges::any_of(image.volumes, [&](const ImageVolume& other) {
          return other.guest == volume.guest && other.layer == volume.layer;
        })) {
      return fail_format(ErrorKind::kInvalid, "the package has two volumes at \"{}\"",
                         volume.guest);
    }
    image.volumes.push_back(std::move(volume));
  }
  return {};
}

Result<ImageCommand> parse_command(const JsonObject& object) {
  ImageCommand command;
  SELVEDGE_TRY(command.name, parse_name(object, "name"));
  SELVEDGE_TRY(command.module, parse_name(object, "module", kModuleNameBytesMax));
  SELVEDGE_TRY(command.program_name, parse_name(object, "program_name"));
  SELVEDGE_TRY(command.main_args, object.texts("main_args"));
  SELVEDGE_TRY(command.environment, object.environment("env"));
  if (command.main_args.size() > kManifestListMax ||
      command.environment.size() > kManifestListMax) {
    return fail_format(ErrorKind::kInvalid,
                       "the command \"{}\" has more than {} arguments or "
                       "variables",
                       command.name, kManifestListMax);
  }
  SELVEDGE_TRY(const auto runner, object.optional_text("runner"));
  if (runner.has_value()) {
    SELVEDGE_TRY(command.runner, parse_runner(*runner));
  }
  return command;
}

Result<> parse_dependencies(const JsonObject& root, PackageImage& image) {
  SELVEDGE_TRY(const auto objects, root.objects("dependencies"));
  if (objects.size() > kManifestDependenciesMax) {
    return fail_format(ErrorKind::kInvalid, "the package has more than {} dependencies",
                       kManifestDependenciesMax);
  }
  for (const JsonObject& object : objects) {
    ImageDependency dependency;
    SELVEDGE_TRY(dependency.name, object.text("name"));
    SELVEDGE_TRY(dependency.range, object.text("range"));
    if (!is_manifest_name(dependency.name, /*owner_needed=*/true) ||
        dependency.range.size() > kNameBytesMax) {
      return fail_format(ErrorKind::kInvalid,
                         "{} must be \"owner/name\", with a range of at most {} "
                         "bytes",
                         object.path_of("name"), kNameBytesMax);
    }
    SELVEDGE_TRY_VOID(
        check_new(image.dependencies, &ImageDependency::name, dependency.name, "dependencies"));
    image.dependencies.push_back(std::move(dependency));
  }
  return {};
}

Result<> parse_origins(const JsonObject& root, PackageImage& image) {
  SELVEDGE_TRY(const auto objects, root.objects("origins"));
  if (objects.size() > kImageOriginsMax) {
    return fail_format(ErrorKind::kInvalid, "the package has more than {} origins",
                       kImageOriginsMax);
  }
  for (const JsonObject& object : objects) {
    ImageOrigin origin;
    SELVEDGE_TRY(origin.name, object.text("name"));
    SELVEDGE_TRY(origin.version, object.text("version"));
    SELVEDGE_TRY(origin.image, object.hash("image"));
    image.origins.push_back(std::move(origin));
  }
  if (!image.origins.empty() && !image.dependencies.empty()) {
    return fail(ErrorKind::kInvalid, "a linked package has no dependencies");
  }
  return {};
}

// Whether a command may name this module.
bool has_module(const PackageImage& image, const std::string& module) {
  if (std::ranges::find(image.modules, module, &ImageModule::name) != image.modules.end()) {
    return true;
  }
  const std::size_t colon = module.find(':');
  return colon != std::string::npos && colon + 1 < module.size() &&
         std::ranges::find(image.dependencies, module.substr(0, colon), &ImageDependency::name) !=
             image.dependencies.end();
}

Result<> parse_commands(const JsonObject& root, PackageImage& image) {
  SELVEDGE_TRY(const auto objects, root.objects("commands"));
  if ((objects.empty() && image.dependencies.empty()) || objects.size() > kManifestCommandsMax) {
    return fail_format(ErrorKind::kInvalid, "the package must have 1 to {} commands",
                       kManifestCommandsMax);
  }
  for (const JsonObject& object : objects) {
    SELVEDGE_TRY(auto command, parse_command(object));
    SELVEDGE_TRY_VOID(check_new(image.commands, &ImageCommand::name, command.name, "commands"));
    if (!has_module(image, command.module)) {
      return fail_format(ErrorKind::kInvalid,
                         "the command \"{}\" names a module \"{}\" that the package does not have",
                         command.name, command.module);
    }
    image.commands.push_back(std::move(command));
  }
  return {};
}

}  // namespace

std::string to_json(const PackageImage& image) {
  nlohmann::json made{{"format", kFormat},
                      {"name", image.name},
                      {"version", image.version},
                      {"modules", nlohmann::json::array()},
                      {"volumes", nlohmann::json::array()},
                      {"commands", nlohmann::json::array()}};
  if (image.entrypoint.has_value()) {
    made["entrypoint"] = *image.entrypoint;
  }
  for (const ImageModule& module : image.modules) {
    nlohmann::json entry = to_json(module.blob);
    entry["name"] = module.name;
    made["modules"].push_back(std::move(entry));
  }
  for (const ImageVolume& volume : image.volumes) {
    nlohmann::json entry = to_json(volume.blob);
    entry["guest"] = volume.guest;
    if (volume.layer != 0) {
      entry["layer"] = volume.layer;
    }
    made["volumes"].push_back(std::move(entry));
  }
  for (const ImageCommand& command : image.commands) {
    made["commands"].push_back(to_json(command));
  }
  for (const ImageDependency& dependency : image.dependencies) {
    made["dependencies"].push_back({{"name", dependency.name}, {"range", dependency.range}});
  }
  for (const ImageOrigin& origin : image.origins) {
    made["origins"].push_back(
        {{"name", origin.name}, {"version", origin.version}, {"image", origin.image.hex()}});
  }
  // Texts that are not UTF-8 (arguments may be any bytes but NUL) must not end in an exception.
  return json_text(made);
}

Result<PackageImage> parse_package_image(std::string_view json) {
  if (json.size() > kPackageImageBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the package's description is larger than {} KiB",
                       kPackageImageBytesMax / 1024);
  }
  SELVEDGE_TRY(const auto document, parse_json(json, "the package"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "package"));
  SELVEDGE_TRY(const std::uint64_t format, root.integer("format", UINT32_MAX));
  if (format != kFormat) {
    return fail_format(ErrorKind::kUnsupported,
                       "the package has format {}, which a newer version made; this one reads {}",
                       format, kFormat);
  }
  PackageImage image;
  SELVEDGE_TRY(image.name, root.text("name"));
  SELVEDGE_TRY(image.version, root.text("version"));
  SELVEDGE_TRY(image.entrypoint, root.optional_text("entrypoint"));
  SELVEDGE_TRY_VOID(parse_dependencies(root, image));
  SELVEDGE_TRY_VOID(parse_origins(root, image));
  SELVEDGE_TRY_VOID(parse_modules(root, image));
  SELVEDGE_TRY_VOID(parse_volumes(root, image));
  SELVEDGE_TRY_VOID(parse_commands(root, image));
  if (image.entrypoint.has_value() && image.dependencies.empty() &&
      std::ranges::find(image.commands, *image.entrypoint, &ImageCommand::name) ==
          image.commands.end()) {
    return fail_format(ErrorKind::kInvalid, "the entrypoint \"{}\" is none of the commands",
                       *image.entrypoint);
  }
  return image;
}

crypto::Blake3Hash identity(const PackageImage& image) {
  return crypto::blake3(base::as_bytes(to_json(image)));
}

std::vector<BlobReference> blobs_of(const PackageImage& image) {
  std::vector<BlobReference> blobs;
  const auto add = [&blobs](const BlobReference& blob) {
    if (std::ranges::find(blobs, blob.hash, &BlobReference::hash) == blobs.end()) {
      blobs.push_back(blob);
    }
  };
  for (const ImageModule& module : image.modules) {
    add(module.blob);
  }
  for (const ImageVolume& volume : image.volumes) {
    add(volume.blob);
  }
  return blobs;
}

Result<const ImageCommand*> main_command(const PackageImage& image) {
  std::string names;
  for (const ImageCommand& command : image.commands) {
    if (image.commands.size() == 1 || image.entrypoint == command.name) {
      return &command;
    }
    names += (names.empty() ? "" : ", ") + command.name;
  }
  return fail_format(ErrorKind::kInvalid,
                     "the package has several commands and no entrypoint: add entrypoint = \"…\" "
                     "to [package] with one of: {}",
                     names);
}

}  // namespace selvedge::app
