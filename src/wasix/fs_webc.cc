#include "wasix/fs_webc.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/narrow.h"
#include "wasix/fs_node.h"
#include "wasix/internal/mapped_bytes.h"
#include "wasix/internal/read_only_node.h"

namespace selvedge::wasix {
namespace {

using wire::WebcKind;
using wire::WebcNode;

constexpr Timestamp kNanosecondsPerSecond = 1'000'000'000;
// Cookies of a directory: 1 is behind ".", 2 behind "..", then one for each child.
constexpr std::uint64_t kDotDotCookie = 2;

Filetype filetype_of(WebcKind kind) noexcept {
  switch (kind) {
    case WebcKind::kDirectory:
      return Filetype::kDirectory;
    case WebcKind::kFile:
      return Filetype::kRegularFile;
    case WebcKind::kSymlink:
      return Filetype::kSymbolicLink;
  }
  return Filetype::kUnknown;
}

// The entries with numbers, which become their inode numbers. Siblings have numbers in a row.
class NumberedTree {
 public:
  NumberedTree(std::shared_ptr<const WebcNode> root, const WebcFileSystemOptions& options)
      : root_(std::move(root)), options_(options) {
    entries_.push_back({.node = root_.get(), .parent = 0, .first_child = 0});
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      entries_[i].first_child = base::narrow<std::uint32_t>(entries_.size());
      for (const WebcNode& child : entries_[i].node->children) {
        entries_.push_back({.node = &child, .parent = i, .first_child = 0});
      }
    }
  }

  const WebcNode& node(std::uint32_t number) const noexcept { return *entries_[number].node; }
  std::uint32_t parent(std::uint32_t number) const noexcept { return entries_[number].parent; }
  std::uint32_t child(std::uint32_t number, std::size_t index) const noexcept {
    return entries_[number].first_child + base::narrow<std::uint32_t>(index);
  }
  std::uint64_t ino(std::uint32_t number) const noexcept { return std::uint64_t{number} + 1; }
  bool mapped() const noexcept { return options_.mapped; }

  ErrnoResult<std::uint32_t> find(std::uint32_t number, std::string_view name) const noexcept {
    const WebcNode& directory = node(number);
    const WebcNode* found = directory.find(name);
    if (found == nullptr) {
      return refuse(Errno::kNoent);
    }
    return child(number, static_cast<std::size_t>(found - directory.children.data()));
  }

  FileStat stat(std::uint32_t number) const noexcept {
    const WebcNode& node = this->node(number);
    const std::uint64_t seconds = node.mtime.value_or(0);
    const Timestamp time = seconds != 0 ? seconds * kNanosecondsPerSecond : options_.default_time;
    return {.dev = options_.device,
            .ino = ino(number),
            .filetype = filetype_of(node.kind),
            .nlink = 1,
            .size = node.content.size(),
            .atim = time,
            .mtim = time,
            .ctim = time};
  }

 private:
  struct Entry {
    const WebcNode* node = nullptr;
    std::uint32_t parent = 0;
    std::uint32_t first_child = 0;
  };

  const std::shared_ptr<const WebcNode> root_;
  const WebcFileSystemOptions options_;
  std::vector<Entry> entries_;
};

using SharedTree = std::shared_ptr<const NumberedTree>;

class WebcFile final : public internal::ReadOnlyFile {
 public:
  WebcFile(SharedTree tree, std::uint32_t number, const NodeOpenOptions& options) noexcept
      : ReadOnlyFile(options.read, options.fdflags), tree_(std::move(tree)), number_(number) {}

  ErrnoResult<FileStat> stat() override { return tree_->stat(number_); }
  bool waits_for_disk() const noexcept override { return tree_->mapped(); }
  void load(std::uint64_t offset, std::size_t length) noexcept override {
    internal::fetch_to_memory(part(offset, length));
  }

 protected:
  ErrnoResult<std::size_t> do_read(std::span<const base::MutableByteSpan> buffers,
                                   std::uint64_t offset, Wait wait) override {
    std::size_t wanted = 0;
    for (const base::MutableByteSpan buffer : buffers) {
      wanted += buffer.size();
    }
    base::ByteSpan rest = part(offset, wanted);
    if (wait == Wait::kNever && tree_->mapped() && !internal::is_in_memory(rest)) {
      return refuse(Errno::kAgain);
    }
    const std::size_t bytes = rest.size();
    for (const base::MutableByteSpan buffer : buffers) {
      const std::size_t count = std::min(buffer.size(), rest.size());
      std::ranges::copy(rest.first(count), buffer.begin());
      rest = rest.subspan(count);
    }
    return bytes;
  }

 private:
  // What there is of [offset, offset + length).
  base::ByteSpan part(std::uint64_t offset, std::size_t length) const noexcept {
    const base::ByteSpan content = tree_->node(number_).content;
    if (offset >= content.size()) {
      return {};
    }
    const auto begin = static_cast<std::size_t>(offset);
    return content.subspan(begin, std::min(length, content.size() - begin));
  }

  const SharedTree tree_;
  const std::uint32_t number_;
};

class WebcReader final : public DirectoryReader {
 public:
  WebcReader(SharedTree tree, std::uint32_t number) noexcept
      : tree_(std::move(tree)), number_(number) {}

  ErrnoResult<> read(std::uint64_t cookie, DirectoryEntrySink& sink) override {
    if (cookie < 1 && !add(".", number_, 1, sink)) {
      return {};
    }
    if (cookie < kDotDotCookie && !add("..", tree_->parent(number_), kDotDotCookie, sink)) {
      return {};
    }
    const auto& children = tree_->node(number_).children;
    for (std::uint64_t i = std::max(cookie, kDotDotCookie) - kDotDotCookie; i < children.size();
         ++i) {
      const auto index = static_cast<std::size_t>(i);
      if (!add(children[index].name, tree_->child(number_, index), i + kDotDotCookie + 1, sink)) {
        return {};
      }
    }
    return {};
  }

 private:
  bool add(std::string_view name, std::uint32_t number, std::uint64_t next_cookie,
           DirectoryEntrySink& sink) const {
    return sink.add({.name = name,
                     .ino = tree_->ino(number),
                     .filetype = filetype_of(tree_->node(number).kind),
                     .next_cookie = next_cookie});
  }

  const SharedTree tree_;
  const std::uint32_t number_;
};

class WebcDirectory final : public internal::ReadOnlyNode {
 public:
  WebcDirectory(SharedTree tree, std::uint32_t number) noexcept
      : tree_(std::move(tree)), number_(number) {}

  ErrnoResult<FileStat> stat() override { return tree_->stat(number_); }
  ErrnoResult<FileStat> stat(std::string_view name) override {
    SELVEDGE_TRY_ERRNO(const std::uint32_t found, tree_->find(number_, name));
    return tree_->stat(found);
  }
  ErrnoResult<std::unique_ptr<DirectoryReader>> reader() override {
    return std::make_unique<WebcReader>(tree_, number_);
  }

  ErrnoResult<std::shared_ptr<DirectoryNode>> enter(std::string_view name) override {
    SELVEDGE_TRY_ERRNO(const std::uint32_t found, tree_->find(number_, name));
    switch (tree_->node(found).kind) {
      case WebcKind::kDirectory:
        return std::make_shared<WebcDirectory>(tree_, found);
      case WebcKind::kFile:
        return refuse(Errno::kNotdir);
      case WebcKind::kSymlink:
        break;
    }
    return refuse(Errno::kLoop);
  }

  ErrnoResult<std::shared_ptr<File>> open_file(std::string_view name,
                                               const NodeOpenOptions& options) override {
    const auto found = tree_->find(number_, name);
    if (!found) {
      return refuse(options.create ? Errno::kRofs : found.error());
    }
    if (options.create && options.exclusive) {
      return refuse(Errno::kExist);
    }
    switch (tree_->node(*found).kind) {
      case WebcKind::kDirectory:
        return refuse(Errno::kIsdir);
      case WebcKind::kSymlink:
        return refuse(Errno::kLoop);
      case WebcKind::kFile:
        break;
    }
    if (options.write || options.truncate) {
      return refuse(Errno::kRofs);
    }
    return std::make_shared<WebcFile>(tree_, *found, options);
  }

  ErrnoResult<std::string> read_link(std::string_view name) override {
    SELVEDGE_TRY_ERRNO(const std::uint32_t found, tree_->find(number_, name));
    if (tree_->node(found).kind != WebcKind::kSymlink) {
      return refuse(Errno::kInval);
    }
    return std::string(base::as_text(tree_->node(found).content));
  }

  const void* file_system() const noexcept override { return tree_.get(); }

 private:
  const SharedTree tree_;
  const std::uint32_t number_;
};

class WebcFileSystem final : public FileSystem {
 public:
  explicit WebcFileSystem(SharedTree tree) noexcept : tree_(std::move(tree)) {}
  std::shared_ptr<DirectoryNode> root() override {
    return std::make_shared<WebcDirectory>(tree_, 0);
  }

 private:
  const SharedTree tree_;
};

}  // namespace

std::shared_ptr<FileSystem> make_webc_file_system(std::shared_ptr<const WebcNode> root,
                                                  const WebcFileSystemOptions& options) {
  SELVEDGE_ASSERT(root != nullptr && root->kind == WebcKind::kDirectory);
  return std::make_shared<WebcFileSystem>(
      std::make_shared<const NumberedTree>(std::move(root), options));
}

}  // namespace selvedge::wasix
