#include "app/package_build.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <system_error>
#include <utility>

#include "app/internal/folder_reader.h"
#include "app/package.h"
#include "app/webc_manifest.h"
#include "base/bytes.h"
#include "base/format.h"
#include "crypto/sha256.h"
#include "engine/engine.h"
#include "wire/webc_writer.h"

namespace selvedge::app {
namespace {

namespace fs = std::filesystem;

// Where Wasmer's tools put them too.
constexpr const char* kMetadataVolume = "metadata";
constexpr std::string_view kRunnerPrefix = "https://webc.org/runner/";

std::string runner_uri(std::string_view runner) {
  return runner.starts_with("https://") ? std::string(runner)
                                        : fmt::format("{}{}", kRunnerPrefix, runner);
}

// "./src//a/" of a manifest is the volume "/src/a".
std::string volume_name(std::string_view host) {
  return normalise_guest_path("/" + std::string(host)).value_or("/");
}

// Collects what a package is to hold; owns it until it is written.
class Builder {
 public:
  Result<> add_module(const std::string& name, const std::string& path) {
    SELVEDGE_TRY(auto bytes, read_module(path));
    if (path.ends_with(".wat") && !engine::looks_like_wasm(bytes)) {
      auto binary = engine::wat_to_wasm(base::as_text(bytes));
      if (!binary.has_value()) {
        return fail(std::move(binary).error().with_context(path));
      }
      bytes = *std::move(binary);
    }
    if (!engine::looks_like_wasm(bytes)) {
      return fail_format(ErrorKind::kInvalid, "{}: not a WebAssembly module", path);
    }
    const base::ByteSpan content = modules_.emplace_back(std::move(bytes));
    WebcAtom atom;
    atom.name = name;
    atom.signature = webc_signature(crypto::sha256(std::vector{content}));
    manifest.atoms.push_back(std::move(atom));
    atoms_.push_back({.kind = wire::WebcKind::kFile, .name = name, .content = content});
    return {};
  }

  // The same folder at two places is one volume.
  Result<> add_mount(const fs::path& folder, const ManifestMount& mount) {
    const std::string name = volume_name(mount.host);
    if (std::ranges::find(volumes_, name, &wire::WebcVolume::name) == volumes_.end()) {
      SELVEDGE_TRY(auto root, reader_.read(folder / mount.host));
      volumes_.push_back({.name = name, .root = std::move(root)});
    }
    manifest.mounts.push_back(
        {.from = std::nullopt, .volume = name, .host_path = std::nullopt, .guest = mount.guest});
    return {};
  }

  // A file about the package, which guests do not see.
  Result<std::optional<WebcFile>> add_metadata(const fs::path& path) {
    const std::string name = path.filename().string();
    if (metadata_.find(name) == nullptr) {
      SELVEDGE_TRY(auto node, reader_.read_file(path, name));
      metadata_.children.push_back(std::move(node));
      std::ranges::sort(metadata_.children, {}, &wire::WebcNode::name);
    }
    return WebcFile{.volume = kMetadataVolume, .path = "/" + name};
  }

  Result<BuiltPackage> finish(std::vector<std::string> warnings) {
    if (!metadata_.children.empty()) {
      volumes_.push_back({.name = kMetadataVolume, .root = std::move(metadata_)});
    }
    const auto cbor = build_webc_manifest(manifest);
    // What a reader of the package would refuse.
    SELVEDGE_TRY_VOID(parse_webc_manifest(cbor));
    SELVEDGE_TRY(const auto image,
                 wire::write_webc({.manifest = cbor, .atoms = atoms_, .volumes = volumes_},
                                  {.sha256 = crypto::sha256}));
    return BuiltPackage{.name = manifest.name,
                        .version = manifest.version,
                        .bytes = image.to_bytes(),
                        .warnings = std::move(warnings)};
  }

  WebcManifest manifest;

 private:
  internal::FolderReader reader_;
  std::deque<std::vector<std::byte>> modules_;
  std::vector<wire::WebcNode> atoms_;
  std::vector<wire::WebcVolume> volumes_;
  wire::WebcNode metadata_{.kind = wire::WebcKind::kDirectory};
};

// The first file of the folder that is named so, with any ending and in any case.
std::optional<fs::path> find_metadata(const fs::path& folder, std::string_view stem) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().stem().string();
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    if (name == stem && entry->is_regular_file(error)) {
      found.push_back(entry->path());
    }
  }
  const auto first = std::ranges::min_element(found);
  return first == found.end() ? std::nullopt : std::optional(*first);
}

Result<> add_metadata(const Manifest& manifest, const fs::path& folder, Builder& builder) {
  const auto given = [&folder](const std::optional<std::string>& path, std::string_view stem) {
    return path.has_value() ? std::optional(folder / *path) : find_metadata(folder, stem);
  };
  if (const auto path = given(manifest.readme, "README")) {
    SELVEDGE_TRY(builder.manifest.readme, builder.add_metadata(*path));
  }
  if (const auto path = given(manifest.license_file, "LICENSE")) {
    SELVEDGE_TRY(builder.manifest.license_file, builder.add_metadata(*path));
  }
  return {};
}

WebcCommand command_of(const ManifestCommand& command) {
  WebcCommand made;
  made.name = command.name;
  made.runner = runner_uri(command.foreign_runner.value_or(std::string(to_string(command.runner))));
  made.atom = command.module;
  made.dependency = command.dependency;
  made.main_args = command.main_args;
  made.env = command.env;
  made.exec_name = command.exec_name;
  if (command.runner == RunnerKind::kWcgi) {
    made.wcgi_dialect = "rfc-3875";
  }
  return made;
}

void describe(const Manifest& manifest, WebcManifest& made) {
  made.name = manifest.name;
  made.version = manifest.version;
  made.description = manifest.description;
  made.license = manifest.license;
  made.repository = manifest.repository;
  made.homepage = manifest.homepage;
  made.is_private = manifest.is_private;
  made.entrypoint = manifest.entrypoint;
  if (!made.entrypoint.has_value() && manifest.commands.size() == 1) {
    made.entrypoint = manifest.commands.front().name;
  }
  for (const ManifestDependency& dependency : manifest.dependencies) {
    made.dependencies.push_back(
        {.name = dependency.name,
         .specifier = fmt::format("{}@{}", dependency.name, dependency.version)});
  }
  for (const ManifestCommand& command : manifest.commands) {
    made.commands.push_back(command_of(command));
  }
}

Result<BuiltPackage> build_folder(const fs::path& folder) {
  const std::string manifest_path = (folder / "wasmer.toml").string();
  SELVEDGE_TRY(const std::string text, read_text_file(manifest_path, kManifestBytesMax));
  SELVEDGE_TRY(const Manifest manifest,
               parse_manifest(text, manifest_path, annotations_in(folder.string())));
  if (!manifest.dependencies.empty() && manifest.entrypoint.has_value() &&
      std::ranges::find(manifest.commands, *manifest.entrypoint, &ManifestCommand::name) ==
          manifest.commands.end()) {
    return fail_format(ErrorKind::kInvalid,
                       "{}: the entrypoint \"{}\" is a command of a dependency, which a .webc "
                       "cannot say: add a [[command]] of that name",
                       manifest_path, *manifest.entrypoint);
  }
  Builder builder;
  describe(manifest, builder.manifest);
  for (const ManifestModule& module : manifest.modules) {
    auto added = builder.add_module(module.name, (folder / module.source).string());
    if (!added.has_value()) {
      return fail(std::move(added).error().with_context(
          fmt::format("{}:{}: module \"{}\"", manifest_path, module.line, module.name)));
    }
  }
  for (const ManifestMount& mount : manifest.mounts) {
    SELVEDGE_TRY_VOID(builder.add_mount(folder, mount));
  }
  SELVEDGE_TRY_VOID(add_metadata(manifest, folder, builder));
  return builder.finish(manifest.warnings);
}

Result<BuiltPackage> build_module(const fs::path& path, RunnerKind runner) {
  Builder builder;
  WebcCommand command;
  command.name = path.stem().string();
  command.runner = runner_uri(to_string(runner));
  command.atom = command.name;
  builder.manifest.entrypoint = command.name;
  SELVEDGE_TRY_VOID(builder.add_module(command.name, path.string()));
  builder.manifest.commands.push_back(std::move(command));
  return builder.finish({});
}

}  // namespace

Result<BuiltPackage> build_package(std::string_view target, RunnerKind runner) {
  const fs::path path(target);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    return build_folder(path);
  }
  if (path.filename() == "wasmer.toml") {
    return build_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
  }
  if (path.extension() == ".webc") {
    return fail_format(ErrorKind::kInvalid, "{}: this is a package already", path.string());
  }
  return build_module(path, runner);
}

}  // namespace selvedge::app
