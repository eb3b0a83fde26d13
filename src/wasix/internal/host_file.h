#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "base/unique_fd.h"
#include "wasix/file_system.h"

struct timespec;

namespace selvedge::wasix::internal {

// The outcome of a system call that returns -1 and errno.
ErrnoResult<> host_result(long value) noexcept;
FileStat to_file_stat(const struct stat& host) noexcept;
Filetype to_filetype(mode_t mode) noexcept;
// The two times of utimensat(2).
struct HostTimes {
  explicit HostTimes(const TimesChange& change) noexcept;
  timespec values[2];
};

// An opened regular file of the host.
class HostFile : public File {
 public:
  struct Options {
    bool read = false;
    bool write = false;
    Fdflags fdflags = Fdflags::kNone;
    bool read_only_mount = false;
  };
  HostFile(base::UniqueFd fd, const Options& options) noexcept
      : File({.read = options.read, .write = options.write, .flags = options.fdflags}),
        fd_(std::move(fd)),
        read_only_mount_(options.read_only_mount) {}

  ErrnoResult<FileStat> stat() override;
  ErrnoResult<> set_times(const TimesChange& times) override;
  bool allocates_on_disk() const noexcept override { return true; }
  bool waits_for_disk() const noexcept override { return true; }
  ErrnoResult<> sync() override;
  ErrnoResult<> datasync() override;
  void load(std::uint64_t offset, std::size_t length) noexcept override;

 protected:
  ErrnoResult<std::size_t> do_read(std::span<const base::MutableByteSpan> buffers,
                                   std::uint64_t offset, Wait wait) override;
  ErrnoResult<std::size_t> do_write(std::span<const base::ByteSpan> buffers,
                                    std::uint64_t offset) override;
  ErrnoResult<Appended> do_append(std::span<const base::ByteSpan> buffers) override;
  ErrnoResult<> do_set_size(std::uint64_t size) override;
  ErrnoResult<> do_allocate(std::uint64_t offset, std::uint64_t length) override;
  void do_advise(std::uint64_t offset, std::uint64_t length, Advice advice) override;

  int host_fd() const noexcept { return fd_.get(); }

 private:
  int write_flags() const noexcept;

  base::UniqueFd fd_;
  const bool read_only_mount_;
};

}  // namespace selvedge::wasix::internal
