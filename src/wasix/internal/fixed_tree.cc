#include "wasix/internal/fixed_tree.h"

namespace selvedge::wasix::internal {

namespace {

class FixedReader final : public DirectoryReader {
 public:
  explicit FixedReader(std::shared_ptr<FixedDirectory> directory) noexcept
      : directory_(std::move(directory)) {}

  // Cookies count the entries, `.` and `..` first.
  ErrnoResult<> read(std::uint64_t cookie, DirectoryEntrySink& sink) override {
    std::uint64_t position = 0;
    const auto give = [&](std::string_view name, std::uint64_t ino, Filetype filetype) {
      return position++ < cookie ||
             sink.add({.name = name, .ino = ino, .filetype = filetype, .next_cookie = position});
    };
    if (!give(".", directory_->ino(), Filetype::kDirectory) ||
        !give("..", directory_->ino(), Filetype::kDirectory)) {
      return {};
    }
    for (const auto& [name, entry] : directory_->entries()) {
      const bool is_directory = entry.directory != nullptr;
      if (!give(name, is_directory ? entry.directory->ino() : entry.stat.ino,
                is_directory ? Filetype::kDirectory : entry.file->filetype())) {
        break;
      }
    }
    return {};
  }

 private:
  const std::shared_ptr<FixedDirectory> directory_;
};

class FixedFileSystem final : public FileSystem {
 public:
  explicit FixedFileSystem(std::shared_ptr<FixedDirectory> root) noexcept
      : root_(std::move(root)) {}
  std::shared_ptr<DirectoryNode> root() override { return root_; }

 private:
  const std::shared_ptr<FixedDirectory> root_;
};

}  // namespace

ErrnoResult<std::unique_ptr<DirectoryReader>> FixedDirectory::reader() {
  return std::make_unique<FixedReader>(shared_from_this());
}

std::shared_ptr<FileSystem> FixedTreeBuilder::root(FixedDirectory::Entries entries) {
  return std::make_shared<FixedFileSystem>(directory_node(std::move(entries)));
}

}  // namespace selvedge::wasix::internal
