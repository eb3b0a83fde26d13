#include "cli/package_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "app/json_reader.h"
#include "app/package_build.h"
#include "app/package_inspect.h"
#include "base/errno_error.h"
#include "base/format.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cli/messages.h"

namespace selvedge::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kFilesShownMax = 20;  // of a volume, for people
constexpr std::size_t kHashDigitsShown = 16;
constexpr mode_t kPublicMode = 0666;  // less what the umask says
constexpr mode_t kSecretMode = 0600;

MessageStyle style_of(const PackageAction& action) {
  return {.json = action.output.json, .quiet = action.output.quiet};
}

Result<app::BuiltPackage> build(const PackageAction& action) {
  SELVEDGE_TRY(auto built, app::build_package(action.target, action.runner));
  for (const std::string& warning : built.warnings) {
    print_warning(warning, style_of(action));
  }
  return built;
}

// Removed again when it cannot be written.
Result<> write_new_file(const std::string& path, mode_t mode, base::ByteSpan bytes) {
  const base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file) {
    return fail(base::errno_error(errno, path));
  }
  while (!bytes.empty()) {
    const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) {
      const int error = errno;
      ::unlink(path.c_str());
      return fail(base::errno_error(error, path));
    }
    bytes = bytes.subspan(count < 0 ? 0 : static_cast<std::size_t>(count));
  }
  return {};
}

// "3.4 MiB"
std::string size_text(std::uint64_t bytes) {
  constexpr double kStep = 1024;
  constexpr std::uint64_t kBytesExact = 10'240;
  if (bytes < kBytesExact) {
    return fmt::format("{} bytes", bytes);
  }
  double value = static_cast<double>(bytes) / kStep;
  std::string_view unit = "KiB";
  for (const std::string_view next : {"MiB", "GiB"}) {
    if (value >= kStep) {
      value /= kStep;
      unit = next;
    }
  }
  return fmt::format("{:.1f} {}", value, unit);
}

// What strangers wrote must not command the terminal.
std::string shown(const json& object, const char* key) {
  return log::escape(object.value(key, std::string()));
}

void print_module(const json& module) {
  fmt::print("  {:<24} {:>12}  sha256 {}\n", shown(module, "name"),
             size_text(module.value("bytes", std::uint64_t{0})),
             module.value("sha256", "").substr(0, kHashDigitsShown));
  if (module.contains("error")) {
    fmt::print("    cannot be run: {}\n", shown(module, "error"));
    return;
  }
  for (const auto& [name, functions] : module.at("imports").items()) {
    std::string list;
    for (const json& function : functions) {
      list += (list.empty() ? "" : ", ") + log::escape(function.get<std::string>());
    }
    fmt::print("    imports {}: {}\n", log::escape(name), list);
  }
}

void print_volume(const json& volume) {
  const json& files = volume.at("files");
  std::uint64_t bytes = 0;
  for (const json& file : files) {
    bytes += file.value("bytes", std::uint64_t{0});
  }
  fmt::print("  {}  {} files, {}\n", shown(volume, "name"), files.size(), size_text(bytes));
  for (std::size_t i = 0; i < std::min(files.size(), kFilesShownMax); ++i) {
    const json& file = files[i];
    const std::string what = file.contains("target") ? "-> " + shown(file, "target")
                             : file.contains("bytes")
                                 ? size_text(file.value("bytes", std::uint64_t{0}))
                                 : std::string();
    fmt::print("    {:<40} {}\n", shown(file, "path"), what);
  }
  if (files.size() > kFilesShownMax) {
    fmt::print("    and {} more (--json has all)\n", files.size() - kFilesShownMax);
  }
}

void print_list(const json& items, const char* title, void (*print)(const json& item)) {
  if (items.empty()) {
    return;
  }
  fmt::print("{}:\n", title);
  for (const json& item : items) {
    print(item);
  }
}

void print_package(const json& package) {
  const std::string name = shown(package, "name");
  fmt::print("{} {}\n", name.empty() ? "(no name)" : name, shown(package, "version"));
  for (const char* key : {"description", "license", "homepage", "repository", "entrypoint"}) {
    if (const std::string text = shown(package, key); !text.empty()) {
      fmt::print("{}: {}\n", key, text);
    }
  }
  fmt::print("webc v{}, {}, sha256:{}\n", package.value("webc", 0),
             size_text(package.value("bytes", std::uint64_t{0})), package.value("sha256", ""));
  print_list(package.at("commands"), "commands", [](const json& command) {
    const std::string dependency = shown(command, "dependency");
    fmt::print("  {:<24} runner {}{}, module {}{}\n", shown(command, "name"),
               shown(command, "runner"), command.value("runnable", false) ? "" : " (not here)",
               dependency.empty() ? "" : dependency + ":", shown(command, "module"));
  });
  print_list(package.at("modules"), "modules", &print_module);
  print_list(package.at("mounts"), "mounts", [](const json& mount) {
    fmt::print("  {:<24} volume {} {}\n", shown(mount, "guest"), shown(mount, "volume"),
               shown(mount, "folder"));
  });
  print_list(package.at("volumes"), "volumes", &print_volume);
  print_list(package.at("dependencies"), "dependencies",
             [](const json& dependency) { fmt::print("  {}\n", shown(dependency, "specifier")); });
}

}  // namespace

std::string package_file_name(const std::string& name, const std::string& version) {
  std::string file = name.empty() ? "package" : name;
  std::ranges::replace(file, '/', '-');
  return fmt::format("{}{}{}.webc", file, version.empty() ? "" : "-", version);
}

Result<> write_whole_file(const std::string& path, base::ByteSpan bytes) {
  const std::string temporary = fmt::format("{}.{}.part", path, ::getpid());
  SELVEDGE_TRY_VOID(write_new_file(temporary, kPublicMode, bytes));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return fail(base::errno_error(error, path));
  }
  return {};
}

Result<> write_secret_file(const std::string& path, base::ByteSpan bytes) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(path, ignored))) {
    return fail_format(ErrorKind::kConflict, "{} is there already: name another file", path);
  }
  return write_new_file(path, kSecretMode, bytes);
}

Result<> build_package_file(const PackageAction& action) {
  SELVEDGE_TRY(const auto built, build(action));
  const std::string path = action.output_file.empty() ? package_file_name(built.name, built.version)
                                                      : action.output_file;
  SELVEDGE_TRY(const auto webc,
               app::open_webc_bytes(std::string(base::as_text(base::ByteSpan(built.bytes))), path));
  SELVEDGE_TRY_VOID(write_whole_file(path, built.bytes));
  const json package = app::inspect_package(*webc);
  if (action.output.json) {
    fmt::print("{}\n", app::json_text({{"file", path},
                                       {"name", built.name},
                                       {"version", built.version},
                                       {"bytes", built.bytes.size()},
                                       {"sha256", package.at("sha256")}}));
  } else if (!action.output.quiet) {
    fmt::print("Built {} ({}, sha256:{})\n", path, size_text(built.bytes.size()),
               package.value("sha256", ""));
  }
  return {};
}

Result<> inspect_package_file(const PackageAction& action) {
  std::shared_ptr<const app::WebcFileContents> webc;
  if (fs::path(action.target).extension() == ".webc") {
    SELVEDGE_TRY(webc, app::read_webc_file(action.target));
  } else {
    SELVEDGE_TRY(const auto built, build(action));
    SELVEDGE_TRY(webc, app::open_webc_bytes(std::string(base::as_text(base::ByteSpan(built.bytes))),
                                            action.target));
  }
  const json package = app::inspect_package(*webc);
  if (action.output.json) {
    fmt::print("{}\n", app::json_text(package));
    return {};
  }
  for (const json& warning : package.at("warnings")) {
    print_warning(warning.get<std::string>(), style_of(action));
  }
  print_package(package);
  return {};
}

}  // namespace selvedge::cli
