#include "wasix/fs_commands.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "wasix/fs_host.h"
#include "wasix/fs_path.h"
#include "wasix/internal/fixed_tree.h"

namespace selvedge::wasix {
namespace {

using internal::FixedDirectory;
using internal::FixedFile;
using internal::FixedTreeBuilder;

constexpr std::uint64_t kTree = std::uint64_t{4} << 32;
// /bin and /usr/bin.
constexpr std::uint64_t kNames = 2;

class BytesFile final : public internal::ReadOnlyFile {
 public:
  BytesFile(CommandFile command, const FileStat& stat, const NodeOpenOptions& options) noexcept
      : ReadOnlyFile(options.read, options.fdflags), command_(std::move(command)), stat_(stat) {}

  std::string_view command() const noexcept override { return command_.name; }
  ErrnoResult<FileStat> stat() override { return stat_; }

 protected:
  ErrnoResult<std::size_t> do_read(std::span<const base::MutableByteSpan> buffers,
                                   std::uint64_t offset, Wait /*wait*/) override {
    base::ByteSpan rest = command_.bytes.subspan(
        static_cast<std::size_t>(std::min<std::uint64_t>(offset, command_.bytes.size())));
    std::size_t count = 0;
    for (const base::MutableByteSpan buffer : buffers) {
      const std::size_t size = std::min(buffer.size(), rest.size());
      if (size > 0) {
        std::memcpy(buffer.data(), rest.data(), size);
      }
      rest = rest.subspan(size);
      count += size;
    }
    return count;
  }

 private:
  const CommandFile command_;
  const FileStat stat_;
};

class BytesEntry final : public FixedFile {
 public:
  explicit BytesEntry(CommandFile command) noexcept : command_(std::move(command)) {}
  Filetype filetype() const noexcept override { return Filetype::kRegularFile; }
  ErrnoResult<FileStat> stat(const FileStat& own) const override {
    FileStat stat = own;
    stat.size = command_.bytes.size();
    return stat;
  }
  ErrnoResult<std::shared_ptr<File>> open(const FileStat& own,
                                          const NodeOpenOptions& options) const override {
    if (options.write || options.truncate) {
      return refuse(Errno::kRofs);
    }
    SELVEDGE_TRY_ERRNO(const FileStat stat, this->stat(own));
    return std::make_shared<BytesFile>(command_, stat, options);
  }

 private:
  const CommandFile command_;
};

class HostCommandFile final : public internal::ReadOnlyFile {
 public:
  HostCommandFile(std::string name, std::shared_ptr<File> file, const FileStat& own,
                  const NodeOpenOptions& options) noexcept
      : ReadOnlyFile(options.read, options.fdflags),
        name_(std::move(name)),
        file_(std::move(file)),
        own_(own) {}

  std::string_view command() const noexcept override { return name_; }
  ErrnoResult<FileStat> stat() override {
    SELVEDGE_TRY_ERRNO(const FileStat host, file_->stat());
    FileStat stat = own_;
    stat.size = host.size;
    return stat;
  }
  bool waits_for_disk() const noexcept override { return file_->waits_for_disk(); }
  void load(std::uint64_t offset, std::size_t length) noexcept override {
    file_->load(offset, length);
  }

 protected:
  ErrnoResult<std::size_t> do_read(std::span<const base::MutableByteSpan> buffers,
                                   std::uint64_t offset, Wait wait) override {
    return file_->pread(buffers, offset, wait);
  }

 private:
  const std::string name_;
  const std::shared_ptr<File> file_;
  const FileStat own_;
};

class HostCommandEntry final : public FixedFile {
 public:
  HostCommandEntry(std::string name, std::shared_ptr<DirectoryNode> folder,
                   std::string file_name) noexcept
      : name_(std::move(name)), folder_(std::move(folder)), file_name_(std::move(file_name)) {}

  Filetype filetype() const noexcept override { return Filetype::kRegularFile; }
  ErrnoResult<FileStat> stat(const FileStat& own) const override {
    SELVEDGE_TRY_ERRNO(const FileStat host, folder_.stat(file_name_, Follow::kYes));
    FileStat stat = own;
    stat.size = host.size;
    return stat;
  }
  ErrnoResult<std::shared_ptr<File>> open(const FileStat& own,
                                          const NodeOpenOptions& options) const override {
    if (options.write || options.truncate) {
      return refuse(Errno::kRofs);
    }
    SELVEDGE_TRY_ERRNO(Opened opened, folder_.open(file_name_, {.follow = Follow::kYes,
                                                                .fdflags = options.fdflags,
                                                                .read = options.read}));
    auto* const file = std::get_if<std::shared_ptr<File>>(&opened);
    if (file == nullptr) {
      return refuse(Errno::kIsdir);
    }
    return std::make_shared<HostCommandFile>(name_, std::move(*file), own, options);
  }

 private:
  const std::string name_;
  mutable Directory folder_;
  const std::string file_name_;
};

bool is_file_name(std::string_view name) {
  return name.find('/') == std::string_view::npos && name != "." && name != ".." &&
         validate_path(name).has_value();
}

}  // namespace

std::shared_ptr<FileSystem> make_command_file_system(const base::Clock& clock,
                                                     const std::vector<CommandFile>& commands) {
  FixedTreeBuilder tree(clock, kTree);
  std::map<std::string, std::shared_ptr<HostDirectory>, std::less<>> folders;
  FixedDirectory::Entries files;
  for (const CommandFile& command : commands) {
    if (!is_file_name(command.name)) {
      continue;
    }
    if (command.owner != nullptr) {
      files.emplace(command.name, tree.file(std::make_shared<BytesEntry>(command), kNames));
      continue;
    }
    const std::size_t slash = command.host_path.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : command.host_path.substr(0, slash + 1);
    auto& opened = folders[folder];
    if (opened == nullptr) {
      auto created = HostDirectory::create({.path = folder, .read_only = true});
      if (!created.has_value()) {
        continue;
      }
      opened = *std::move(created);
    }
    files.emplace(
        command.name,
        tree.file(std::make_shared<HostCommandEntry>(
                      command.name, opened->root(),
                      command.host_path.substr(slash == std::string::npos ? 0 : slash + 1)),
                  kNames));
  }
  FixedDirectory::Entries usr;
  usr.emplace("bin", tree.directory(files));
  FixedDirectory::Entries root;
  root.emplace("usr", tree.directory(std::move(usr)));
  root.emplace("bin", tree.directory(std::move(files)));
  return tree.root(std::move(root));
}

}  // namespace selvedge::wasix
