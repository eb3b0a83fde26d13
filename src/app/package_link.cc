#include "app/package_link.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/format.h"

namespace selvedge::app {
namespace {

std::string joined_name(std::string_view package, std::string_view module) {
  return fmt::format("{}:{}", package, module);
}

template <class Items, class Member>
bool has(const Items& items, Member member, const std::string& name) {
  return std::ranges::find(items, name, member) != items.end();
}

class Linker {
 public:
  Linker(const PackageImage& own, std::span<const ChosenPackage> chosen)
      : own_(own), chosen_(chosen) {}

  Result<PackageImage> link() {
    made_.name = own_.name;
    made_.version = own_.version;
    made_.modules = own_.modules;
    made_.volumes = own_.volumes;
    made_.origins.push_back({.name = own_.name, .version = own_.version, .image = identity(own_)});
    for (const ChosenPackage& package : chosen_) {
      add_contents(package);
    }
    SELVEDGE_TRY_VOID(add_commands(own_, "", own_.name));
    for (const ChosenPackage& package : chosen_) {
      SELVEDGE_TRY_VOID(add_commands(package.image, package.name,
                                     fmt::format("{} {}", package.name, package.version)));
    }
    SELVEDGE_TRY_VOID(choose_entrypoint());
    // Together they may be more than an image can hold.
    SELVEDGE_TRY_VOID(parse_package_image(to_json(made_)));
    return std::move(made_);
  }

 private:
  void add_contents(const ChosenPackage& package) {
    const std::size_t layer = made_.origins.size();
    made_.origins.push_back(
        {.name = package.name, .version = package.version, .image = identity(package.image)});
    for (const ImageModule& module : package.image.modules) {
      made_.modules.push_back(
          {.name = joined_name(package.name, module.name), .blob = module.blob});
    }
    for (const ImageVolume& volume : package.image.volumes) {
      made_.volumes.push_back({.guest = volume.guest, .blob = volume.blob, .layer = layer});
    }
  }

  // The linked name of "owner/name:module". Tools say the name of a command for that of its module.
  Result<std::string> find_module(std::string_view reference, std::string_view asked_by) const {
    const std::size_t colon = reference.find(':');
    const std::string_view package_name = reference.substr(0, colon);
    const std::string module(reference.substr(colon + 1));
    const auto package = std::ranges::find(chosen_, package_name, &ChosenPackage::name);
    if (package == chosen_.end()) {
      return fail_format(ErrorKind::kInvalid, "{}: the package {} is none of its dependencies",
                         asked_by, package_name);
    }
    if (has(package->image.modules, &ImageModule::name, module)) {
      return joined_name(package_name, module);
    }
    const auto command = std::ranges::find(package->image.commands, module, &ImageCommand::name);
    if (command != package->image.commands.end() && !command->module.contains(':')) {
      return joined_name(package_name, command->module);
    }
    std::string names;
    for (const ImageModule& other : package->image.modules) {
      names += (names.empty() ? "" : ", ") + other.name;
    }
    return fail_format(ErrorKind::kInvalid, "{}: {} {} has no module \"{}\"; it has: {}", asked_by,
                       package->name, package->version, module, names.empty() ? "none" : names);
  }

  // `package`: whose commands they are; empty for the own ones.
  Result<> add_commands(const PackageImage& image, const std::string& package,
                        const std::string& asked_by) {
    for (const ImageCommand& command : image.commands) {
      if (has(made_.commands, &ImageCommand::name, command.name)) {
        continue;
      }
      ImageCommand made = command;
      if (!has(image.modules, &ImageModule::name, command.module)) {
        SELVEDGE_TRY(made.module,
                     find_module(command.module,
                                 fmt::format("the command \"{}\" of {}", command.name, asked_by)));
      } else if (!package.empty()) {
        made.module = joined_name(package, command.module);
      }
      made_.commands.push_back(std::move(made));
    }
    return {};
  }

  static std::optional<std::string> entrypoint_of(const PackageImage& image) {
    return !image.entrypoint.has_value() && image.commands.size() == 1
               ? std::optional(image.commands.front().name)
               : image.entrypoint;
  }

  Result<> choose_entrypoint() {
    made_.entrypoint = entrypoint_of(own_);
    if (own_.commands.empty()) {
      for (const ChosenPackage& package : chosen_) {
        if (!made_.entrypoint.has_value()) {
          made_.entrypoint = entrypoint_of(package.image);
        }
      }
    }
    if (made_.entrypoint.has_value() &&
        !has(made_.commands, &ImageCommand::name, *made_.entrypoint)) {
      return fail_format(ErrorKind::kInvalid,
                         "the entrypoint \"{}\" is a command neither of the package nor of what "
                         "it depends on",
                         *made_.entrypoint);
    }
    return {};
  }

  const PackageImage& own_;
  std::span<const ChosenPackage> chosen_;
  PackageImage made_;
};

}  // namespace

Result<PackageImage> link_image(const PackageImage& own, std::span<const ChosenPackage> chosen) {
  return own.dependencies.empty() ? own : Linker(own, chosen).link();
}

}  // namespace selvedge::app
