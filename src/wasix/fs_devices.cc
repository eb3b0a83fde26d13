#include "wasix/fs_devices.h"

#include <utility>

#include "base/assert.h"
#include "wasix/fs_merged.h"
#include "wasix/internal/fixed_tree.h"

namespace selvedge::wasix {
namespace {

using internal::FixedDirectory;
using internal::FixedFile;
using internal::FixedTreeBuilder;

constexpr std::uint64_t kTree = std::uint64_t{3} << 32;

// Tells which device was opened.
class DeviceFile final : public File {
 public:
  DeviceFile(Device device, const FileStat& stat, const NodeOpenOptions& options) noexcept
      : File({.read = options.read, .write = options.write, .flags = options.fdflags}),
        device_(device),
        stat_(stat) {}

  Device device() const noexcept override { return device_; }
  ErrnoResult<FileStat> stat() override { return stat_; }
  ErrnoResult<> set_times(const TimesChange& /*times*/) override { return refuse(Errno::kRofs); }

 protected:
  ErrnoResult<std::size_t> do_read(std::span<const base::MutableByteSpan> /*buffers*/,
                                   std::uint64_t /*offset*/, Wait /*wait*/) override {
    return refuse(Errno::kNxio);
  }
  ErrnoResult<std::size_t> do_write(std::span<const base::ByteSpan> /*buffers*/,
                                    std::uint64_t /*offset*/) override {
    return refuse(Errno::kNxio);
  }
  ErrnoResult<Appended> do_append(std::span<const base::ByteSpan> /*buffers*/) override {
    return refuse(Errno::kNxio);
  }
  ErrnoResult<> do_set_size(std::uint64_t /*size*/) override { return refuse(Errno::kInval); }
  ErrnoResult<> do_allocate(std::uint64_t /*offset*/, std::uint64_t /*length*/) override {
    return refuse(Errno::kNodev);
  }

 private:
  const Device device_;
  const FileStat stat_;
};

class DeviceEntry final : public FixedFile {
 public:
  explicit DeviceEntry(Device device) noexcept : device_(device) {}
  Filetype filetype() const noexcept override { return Filetype::kCharacterDevice; }
  ErrnoResult<FileStat> stat(const FileStat& own) const override { return own; }
  ErrnoResult<std::shared_ptr<File>> open(const FileStat& own,
                                          const NodeOpenOptions& options) const override {
    return std::make_shared<DeviceFile>(device_, own, options);
  }

 private:
  const Device device_;
};

}  // namespace

std::shared_ptr<FileSystem> make_device_file_system(const base::Clock& clock) {
  FixedTreeBuilder tree(clock, kTree);
  FixedDirectory::Entries devices;
  for (const auto& [name, device] : {std::pair{"null", Device::kNull},
                                     {"zero", Device::kZero},
                                     {"full", Device::kFull},
                                     {"random", Device::kRandom},
                                     {"urandom", Device::kRandom},
                                     {"stdin", Device::kStandardInput},
                                     {"stdout", Device::kStandardOutput},
                                     {"stderr", Device::kStandardError},
                                     {"tty", Device::kTerminal}}) {
    devices.emplace(name, tree.file(std::make_shared<DeviceEntry>(device)));
  }
  FixedDirectory::Entries root;
  root.emplace("dev", tree.directory(std::move(devices)));
  return tree.root(std::move(root));
}

std::shared_ptr<FileSystem> add_shared_memory(FileSystem& devices,
                                              const MemoryFileSystemOptions& options,
                                              bool keeps_changes) {
  const auto made = MemoryFileSystem::create(options);
  SELVEDGE_ASSERT(made.has_value());
  const auto root = (*made)->open_root();
  const bool has_folder =
      root->make_directory("dev").has_value() && root->make_directory("dev/shm").has_value();
  SELVEDGE_ASSERT(has_folder);
  if (!keeps_changes) {
    (*made)->freeze();
  }
  return merge_file_systems(*made, "/", devices, {});
}

}  // namespace selvedge::wasix
