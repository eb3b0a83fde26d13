#pragma once

// A directory of a store that nobody can change: every change is kRofs, once the name has been
// looked at as rename(2) and the like do.

#include <memory>
#include <string_view>

#include "wasix/fs_node.h"

namespace selvedge::wasix::internal {

class ReadOnlyNode : public DirectoryNode {
 public:
  using DirectoryNode::stat;

  ErrnoResult<> set_times(const TimesChange& /*times*/) final { return refuse(Errno::kRofs); }
  ErrnoResult<> set_times(std::string_view name, const TimesChange& /*times*/) final {
    return refused(name);
  }
  ErrnoResult<> make_directory(std::string_view name) final { return refused_new(name); }
  ErrnoResult<> make_symlink(std::string_view name, std::string_view /*target*/) final {
    return refused_new(name);
  }
  ErrnoResult<> make_socket(std::string_view name) final { return refused_new(name); }
  ErrnoResult<> remove_directory(std::string_view /*name*/) final { return refuse(Errno::kRofs); }
  ErrnoResult<> unlink(std::string_view /*name*/) final { return refuse(Errno::kRofs); }
  ErrnoResult<> rename(std::string_view /*name*/, DirectoryNode& /*to*/,
                       std::string_view /*new_name*/) final {
    return refuse(Errno::kRofs);
  }
  ErrnoResult<> link(std::string_view /*name*/, DirectoryNode& /*to*/,
                     std::string_view /*new_name*/) final {
    return refuse(Errno::kRofs);
  }

 private:
  ErrnoResult<> refused(std::string_view name) {
    const auto found = stat(name);
    return refuse(found ? Errno::kRofs : found.error());
  }
  ErrnoResult<> refused_new(std::string_view name) {
    return refuse(stat(name) ? Errno::kExist : Errno::kRofs);
  }
};

// A regular file of such a store, open for reading.
class ReadOnlyFile : public File {
 public:
  ErrnoResult<> set_times(const TimesChange& /*times*/) final { return refuse(Errno::kRofs); }

 protected:
  ReadOnlyFile(bool readable, Fdflags flags) noexcept
      : File({.read = readable, .write = false, .flags = flags}) {}

  ErrnoResult<std::size_t> do_write(std::span<const base::ByteSpan> /*buffers*/,
                                    std::uint64_t /*offset*/) final {
    return refuse(Errno::kRofs);
  }
  ErrnoResult<Appended> do_append(std::span<const base::ByteSpan> /*buffers*/) final {
    return refuse(Errno::kRofs);
  }
  ErrnoResult<> do_set_size(std::uint64_t /*size*/) final { return refuse(Errno::kRofs); }
  ErrnoResult<> do_allocate(std::uint64_t /*offset*/, std::uint64_t /*length*/) final {
    return refuse(Errno::kRofs);
  }
};

}  // namespace selvedge::wasix::internal
