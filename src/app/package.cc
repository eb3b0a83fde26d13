#include "app/package.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "app/webc_package.h"
#include "base/errno_error.h"
#include "base/format.h"
#include "base/unique_fd.h"

namespace selvedge::app {
namespace {

namespace fs = std::filesystem;

struct OpenFile {
  base::UniqueFd fd;
  std::size_t size = 0;
};

Result<OpenFile> open_regular(const std::string& path, std::size_t bytes_max) {
  // O_NONBLOCK: opening a FIFO without a writer would otherwise wait for one.
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    return fail(base::errno_error(errno, path));
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return fail(base::errno_error(errno, path));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail_format(ErrorKind::kInvalid, "{}: not a regular file", path);
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > bytes_max) {
    return fail_format(ErrorKind::kInvalid, "{}: {} bytes are more than the limit of {}", path,
                       size, bytes_max);
  }
  return OpenFile{.fd = std::move(fd), .size = size};
}

// Reads up to `size` bytes into `data`; the file may have shrunk meanwhile.
Result<std::size_t> read_up_to(const base::UniqueFd& fd, char* data, std::size_t size,
                               std::string_view path) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::read(fd.get(), data + done, size - done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail(base::errno_error(errno, path));
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<Package> open_module_file(const fs::path& path) {
  if (path.extension() == ".webc") {
    SELVEDGE_TRY(auto webc, read_webc_file(path.string()));
    return package_of_webc(std::move(webc), path.string());
  }
  SELVEDGE_TRY([[maybe_unused]] const auto file, open_regular(path.string(), kModuleBytesMax));
  Package package;
  package.name = path.filename().string();
  package.modules.push_back({.name = path.stem().string(), .path = path.string()});
  package.commands.push_back({.name = path.stem().string(),
                              .module = path.stem().string(),
                              .dependency = std::nullopt,
                              .module_path = path.string(),
                              .runner = std::nullopt,
                              .program_name = path.filename().string(),
                              .main_args = {},
                              .env = {}});
  return package;
}

Result<> add_commands(const Manifest& manifest, const fs::path& folder,
                      const std::string& manifest_path, Package& package) {
  for (const ManifestModule& module : manifest.modules) {
    std::string path = (folder / module.source).string();
    if (auto file = open_regular(path, kModuleBytesMax); !file.has_value()) {
      return fail(std::move(file).error().with_context(
          fmt::format("{}:{}: module \"{}\"", manifest_path, module.line, module.name)));
    }
    package.modules.push_back({.name = module.name, .path = std::move(path)});
  }
  for (const ManifestCommand& command : manifest.commands) {
    if (command.foreign_runner.has_value()) {
      continue;
    }
    std::string path;
    if (!command.dependency.has_value()) {
      path = std::ranges::find(package.modules, command.module, &PackageModule::name)->path;
    }
    package.commands.push_back({.name = command.name,
                                .module = command.module,
                                .dependency = command.dependency,
                                .module_path = std::move(path),
                                .runner = command.runner,
                                .program_name = command.exec_name.value_or(command.name),
                                .main_args = command.main_args,
                                .env = command.env});
  }
  return {};
}

Result<Package> open_folder(const fs::path& folder) {
  const std::string manifest_path = (folder / "wasmer.toml").string();
  std::error_code ignored;
  const bool has_app_yaml = fs::exists(folder / "app.yaml", ignored);
  auto text = read_text_file(manifest_path, kManifestBytesMax);
  if (!text.has_value()) {
    if (text.error().kind() != ErrorKind::kNotFound) {
      return fail(std::move(text).error());
    }
    if (has_app_yaml) {
      return fail_format(
          ErrorKind::kNotFound,
          "{}: the folder has an app.yaml but no wasmer.toml, so there is nothing to "
          "run in it",
          folder.string());
    }
    return fail_format(ErrorKind::kNotFound,
                       "{}: the folder has no wasmer.toml; name a .wasm file or add a manifest",
                       folder.string());
  }
  SELVEDGE_TRY(const Manifest manifest,
               parse_manifest(*text, manifest_path, annotations_in(folder.string())));
  Package package;
  package.name =
      manifest.name.empty() ? fs::absolute(folder, ignored).filename().string() : manifest.name;
  package.version = manifest.version;
  package.entrypoint = manifest.entrypoint;
  package.dependencies = manifest.dependencies;
  package.warnings = manifest.warnings;
  package.has_app_config = has_app_yaml;
  SELVEDGE_TRY_VOID(add_commands(manifest, folder, manifest_path, package));
  for (const ManifestMount& mount : manifest.mounts) {
    const std::string host = (folder / mount.host).string();
    if (!fs::is_directory(host, ignored)) {
      return fail_format(ErrorKind::kNotFound, "{}:{}: fs.\"{}\": {} is not a folder",
                         manifest_path, mount.line, mount.guest, host);
    }
    package.mounts.push_back({.guest = mount.guest, .host = host});
  }
  if (package.commands.empty() && package.dependencies.empty()) {
    return fail_format(ErrorKind::kInvalid,
                       "{}: the package has no command{}; add a [[command]] that names a module",
                       manifest_path, manifest.commands.empty() ? "" : " that can be run here");
  }
  return package;
}

}  // namespace

Result<Package> open_package(std::string_view target) {
  if (target.empty() || target.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::kInvalid, "the target is empty: name a .wasm file or a folder");
  }
  const fs::path path(target);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) {
    return open_folder(path);
  }
  if (fs::exists(status)) {
    if (path.filename() == "wasmer.toml") {
      return open_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
    }
    return open_module_file(path);
  }
  if (status.type() == fs::file_type::not_found && is_package_reference(target)) {
    return fail_format(ErrorKind::kNotFound,
                       "{}: there is no such folder here, and no package of a store is meant",
                       target);
  }
  return fail(base::errno_error(error ? error.value() : ENOENT, target));
}

Result<const PackageCommand*> select_command(const Package& package,
                                             std::optional<std::string_view> name) {
  if (!name.has_value() && package.entrypoint.has_value()) {
    name = *package.entrypoint;
  }
  if (!name.has_value() && package.commands.size() == 1) {
    return &package.commands.front();
  }
  std::string names;
  for (const PackageCommand& command : package.commands) {
    if (name == command.name) {
      return &command;
    }
    names += (names.empty() ? "" : ", ") + command.name;
  }
  if (name.has_value()) {
    return fail_format(ErrorKind::kNotFound, "{} has no command \"{}\"; it has: {}", package.name,
                       *name, names);
  }
  return fail_format(ErrorKind::kInvalid,
                     "{} has several commands and no entrypoint: choose one with -e ({})",
                     package.name, names);
}

bool is_package_reference(std::string_view target) noexcept {
  return is_manifest_name(target.substr(0, target.find('@')), /*owner_needed=*/true);
}

Result<std::vector<std::byte>> read_module(const std::string& path) {
  SELVEDGE_TRY(const OpenFile file, open_regular(path, kModuleBytesMax));
  std::vector<std::byte> bytes(file.size);
  SELVEDGE_TRY(const std::size_t count,
               read_up_to(file.fd, reinterpret_cast<char*>(bytes.data()), bytes.size(), path));
  bytes.resize(count);
  return bytes;
}

ManifestFileReader annotations_in(std::string folder) {
  return [folder = std::move(folder)](const std::string& path) -> Result<std::string> {
    std::error_code error;
    const fs::path root = fs::canonical(folder.empty() ? "." : folder, error);
    const fs::path file = error ? fs::path() : fs::canonical(root / path, error);
    if (error) {
      return fail(base::errno_error(error.value(), path));
    }
    if (std::ranges::mismatch(root, file).in1 != root.end()) {
      return fail_format(ErrorKind::kDenied, "{}: the link leads out of the package", path);
    }
    return read_text_file(file.string(), kAnnotationBytesMax);
  };
}

Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
  SELVEDGE_TRY(const OpenFile file, open_regular(path, bytes_max));
  std::string text(file.size, '\0');
  SELVEDGE_TRY(const std::size_t count, read_up_to(file.fd, text.data(), text.size(), path));
  text.resize(count);
  return text;
}

}  // namespace selvedge::app
