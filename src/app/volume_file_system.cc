#include "app/volume_file_system.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "app/volume_blob.h"
#include "wasix/fs_webc.h"
#include "wire/webc_reader.h"

namespace selvedge::app {
namespace {

// The container and what it lies in.
struct OpenVolume {
  ModuleBytes bytes;
  wire::WebcPackage container;
};

// A tree made of several, and what their files lie in.
struct UnitedVolume {
  std::vector<std::shared_ptr<const wire::WebcNode>> sources;
  wire::WebcNode root;
};

bool lies_in(std::string_view path, std::string_view folder) {
  return folder == "/" || path == folder ||
         (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

// What `root`, which is at `guest`, has at `path`, which lies in it; null: no folder.
const wire::WebcNode* folder_at(const wire::WebcNode& root, std::string_view guest,
                                std::string_view path) {
  path.remove_prefix(guest == "/" ? 0 : guest.size());
  const wire::WebcNode* node = &root;
  while (node != nullptr && path.size() > 1) {
    path.remove_prefix(1);
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    node = node->kind == wire::WebcKind::kDirectory ? node->find(name) : nullptr;
  }
  return node != nullptr && node->kind == wire::WebcKind::kDirectory ? node : nullptr;
}

// Both are sorted, and so is what is made of them. Bounded by the depth of a volume.
wire::WebcNode unite(const wire::WebcNode& upper, const wire::WebcNode& lower) {
  wire::WebcNode made{.kind = upper.kind, .name = upper.name, .mtime = upper.mtime};
  auto left = upper.children.begin();
  auto right = lower.children.begin();
  while (left != upper.children.end() || right != lower.children.end()) {
    if (right == lower.children.end() ||
        (left != upper.children.end() && left->name < right->name)) {
      made.children.push_back(*left++);
    } else if (left == upper.children.end() || right->name < left->name) {
      made.children.push_back(*right++);
    } else {
      const bool folders =
          left->kind == wire::WebcKind::kDirectory && right->kind == wire::WebcKind::kDirectory;
      made.children.push_back(folders ? unite(*left, *right) : *left);
      ++left;
      ++right;
    }
  }
  return made;
}

// The volume of a layer that shows at `path`: the one at the longest path that leads there.
const LayeredVolume* shown_at(const std::vector<LayeredVolume>& volumes, std::size_t layer,
                              std::string_view path) {
  const LayeredVolume* found = nullptr;
  for (const LayeredVolume& volume : volumes) {
    if (volume.layer == layer && lies_in(path, volume.guest) &&
        (found == nullptr || volume.guest.size() > found->guest.size())) {
      found = &volume;
    }
  }
  return found;
}

std::shared_ptr<const wire::WebcNode> unite_at(const std::vector<LayeredVolume>& volumes,
                                               std::size_t layers, std::string_view path) {
  std::shared_ptr<const wire::WebcNode> made;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const LayeredVolume* const volume = shown_at(volumes, layer, path);
    const wire::WebcNode* const folder =
        volume == nullptr ? nullptr : folder_at(*volume->root, volume->guest, path);
    if (folder == nullptr) {
      continue;
    }
    const std::shared_ptr<const wire::WebcNode> lower(volume->root, folder);
    if (made == nullptr) {
      made = lower;
      continue;
    }
    auto united = std::make_shared<UnitedVolume>(
        UnitedVolume{.sources = {made, lower}, .root = unite(*made, *lower)});
    const wire::WebcNode* const root = &united->root;
    made = std::shared_ptr<const wire::WebcNode>(std::move(united), root);
  }
  return made;
}

}  // namespace

Result<std::shared_ptr<const wire::WebcNode>> open_volume_root(ModuleBytes bytes,
                                                               const std::string& name) {
  auto container = wire::WebcPackage::open(bytes.bytes);
  if (!container.has_value()) {
    return fail(std::move(container).error().with_context(name));
  }
  const auto volume = std::make_shared<const OpenVolume>(
      OpenVolume{.bytes = std::move(bytes), .container = *std::move(container)});
  const wire::WebcVolume* const found = volume->container.find_volume(kVolumeName);
  if (found == nullptr) {
    return fail(ErrorKind::kInvalid, name + ": not a volume of a published package");
  }
  return std::shared_ptr<const wire::WebcNode>(volume, &found->root);
}

Result<std::shared_ptr<wasix::FileSystem>> open_volume(base::MappedFile file,
                                                       const std::string& name,
                                                       wasix::Timestamp default_time) {
  const auto mapped = std::make_shared<const base::MappedFile>(std::move(file));
  SELVEDGE_TRY(auto root, open_volume_root({.owner = mapped, .bytes = mapped->bytes()}, name));
  return wasix::make_webc_file_system(std::move(root),
                                      {.default_time = default_time, .mapped = true});
}

std::vector<MountedVolume> mount_layers(const std::vector<LayeredVolume>& volumes,
                                        const LayerOptions& options) {
  std::size_t layers = 0;
  for (const LayeredVolume& volume : volumes) {
    layers = std::max(layers, volume.layer + 1);
  }
  std::vector<MountedVolume> mounted;
  std::uint64_t device = wasix::WebcFileSystemOptions().device;
  for (const LayeredVolume& volume : volumes) {
    if (std::ranges::find(mounted, volume.guest, &MountedVolume::guest) != mounted.end()) {
      continue;
    }
    mounted.push_back(
        {.guest = volume.guest,
         .files = wasix::make_webc_file_system(unite_at(volumes, layers, volume.guest),
                                               {.device = device++,
                                                .default_time = options.default_time,
                                                .mapped = options.mapped})});
  }
  return mounted;
}

}  // namespace selvedge::app
