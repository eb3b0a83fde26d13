#pragma once

// What a guest's files and folders are to the rest of the virtual machine: opened files (File) and
// opened directories (Directory) with the semantics of WASI preview 1, whatever stores them. The
// stores themselves (a mounted host directory, memory, an overlay, a table of mounts) are named at
// the end of this page and have headers of their own.
//
// Security. A Directory is a capability: every path given to it is resolved beneath it. `..` or a
// symbolic link that would leave it, and an absolute path, end in kPerm, also while another process
// renames things. A link to an absolute path ends in kPerm too, unless the Directory knows the root
// of the guest's files: then it leads there, never to the root of the host. Paths are hostile
// bytes; they are validated here.
//
// Errors are the Errno that the guest sees.
//
// Threads. An object belongs to one shard, except where a method says otherwise.
//
// Waiting. Operations run at once on the calling thread and are bounded (kTransferBytesMax). What
// may wait for a disk is marked: with waits_for_disk(), `sync`, `datasync` and `load` are to be
// called on a helper thread while the guest is suspended, and a read with Wait::kNever answers
// kAgain instead of waiting: then `load` the range on a helper thread and read again with
// Wait::kAllowed.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "wasix/abi.h"
#include "wasix/errno_result.h"

namespace selvedge::wasix {

// Longest path and longest component, in bytes, as on Linux.
inline constexpr std::size_t kPathBytesMax = 4096;
inline constexpr std::size_t kNameBytesMax = 255;
// Symbolic links followed in one resolution; one more is kLoop. Linux's MAXSYMLINKS.
inline constexpr int kSymlinksFollowedMax = 40;
// One read or write of a file moves at most this much and reports a short count.
inline constexpr std::size_t kTransferBytesMax = std::size_t{256} << 10;

struct FileStat {
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  Filetype filetype = Filetype::kUnknown;
  std::uint64_t nlink = 0;
  std::uint64_t size = 0;
  Timestamp atim = 0;
  Timestamp mtim = 0;
  Timestamp ctim = 0;
};

struct TimeChange {
  enum class Kind : unsigned char { kKeep, kNow, kSet };
  Kind kind = Kind::kKeep;
  Timestamp value = 0;  // nanoseconds since 1970, for kSet
};

// The arguments of fd_filestat_set_times and path_filestat_set_times after validation.
struct TimesChange {
  TimeChange atim;
  TimeChange mtim;

  // kInval when a time has both its flags, or an unknown flag is set.
  static ErrnoResult<TimesChange> from(Timestamp atim, Timestamp mtim, Fstflags flags) noexcept;
};

// What opening a character device gives; the host calls make handles of them (device_handle.h).
enum class Device : unsigned char {
  kNone,
  kNull,
  kZero,
  kFull,
  kRandom,
  kStandardInput,
  kStandardOutput,
  kStandardError,
  kTerminal,
};

enum class Wait : bool { kNever, kAllowed };
enum class Follow : bool { kNo, kYes };

// One opening of a regular file. It holds the offset and the flags, so handles that share one
// (fd_dup, fork) share them too. Reading and writing need the access that it was opened with, else
// kBadf.
class File {
 public:
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;

  // Read at the offset, write at it (at the end with Fdflags::kAppend), and advance it. A read of 0
  // bytes into a non-empty buffer means the end of the file.
  ErrnoResult<std::size_t> read(std::span<const base::MutableByteSpan> buffers, Wait wait);
  ErrnoResult<std::size_t> write(std::span<const base::ByteSpan> buffers);
  // At `offset`, whatever the flags; the offset of the file stays.
  ErrnoResult<std::size_t> pread(std::span<const base::MutableByteSpan> buffers,
                                 std::uint64_t offset, Wait wait);
  ErrnoResult<std::size_t> pwrite(std::span<const base::ByteSpan> buffers, std::uint64_t offset);

  // The new offset; kInval when it would be negative or does not fit.
  virtual ErrnoResult<std::uint64_t> seek(std::int64_t delta, Whence whence);
  virtual std::uint64_t tell() const noexcept { return offset_; }

  bool readable() const noexcept { return readable_; }
  bool writable() const noexcept { return writable_; }
  Fdflags flags() const noexcept { return flags_; }
  // Any flag may be changed; kNonblock is remembered and has no effect on a regular file.
  ErrnoResult<> set_flags(Fdflags flags);

  // kNone: a regular file. Nothing else of a device's File is of use.
  virtual Device device() const noexcept { return Device::kNone; }
  // The package's command of which this is the module, unchanged; empty: of none.
  virtual std::string_view command() const noexcept { return {}; }

  virtual ErrnoResult<FileStat> stat() = 0;
  virtual ErrnoResult<> set_times(const TimesChange& times) = 0;
  // Cuts or extends with zeros. kInval when the file is not open for writing (as ftruncate).
  ErrnoResult<> set_size(std::uint64_t size);
  // Makes sure that [offset, offset + length) can be written; extends the file. kInval for length
  // 0.
  ErrnoResult<> allocate(std::uint64_t offset, std::uint64_t length);
  ErrnoResult<> advise(std::uint64_t offset, std::uint64_t length, Advice advice);

  // Whether allocate() is safe on any thread, and slow enough to be called on a helper thread.
  virtual bool allocates_on_disk() const noexcept { return false; }
  // See "Waiting" at the top. The next three are safe on any thread, also while others are called.
  virtual bool waits_for_disk() const noexcept { return false; }
  virtual ErrnoResult<> sync() { return {}; }
  virtual ErrnoResult<> datasync() { return {}; }
  // Brings a part of the file into memory. An error is not reported here: the read will meet it.
  virtual void load(std::uint64_t /*offset*/, std::size_t /*length*/) noexcept {}

 protected:
  struct Access {
    bool read = false;
    bool write = false;
    Fdflags flags = Fdflags::kNone;
  };
  struct Appended {
    std::size_t written = 0;
    std::uint64_t end = 0;  // offset behind the last byte written
  };
  // An offset for do_read and do_write: where the host's open file description stands, which they
  // advance.
  static constexpr std::uint64_t kHostOffset = UINT64_MAX;

  explicit File(Access access) noexcept
      : readable_(access.read), writable_(access.write), flags_(access.flags) {}

  // Buffers here hold at most kTransferBytesMax in sum, are not empty, and the access is checked.
  virtual ErrnoResult<std::size_t> do_read(std::span<const base::MutableByteSpan> buffers,
                                           std::uint64_t offset, Wait wait) = 0;
  virtual ErrnoResult<std::size_t> do_write(std::span<const base::ByteSpan> buffers,
                                            std::uint64_t offset) = 0;
  virtual ErrnoResult<Appended> do_append(std::span<const base::ByteSpan> buffers) = 0;
  virtual ErrnoResult<> do_set_size(std::uint64_t size) = 0;
  virtual ErrnoResult<> do_allocate(std::uint64_t offset, std::uint64_t length) = 0;
  virtual void do_advise(std::uint64_t /*offset*/, std::uint64_t /*length*/, Advice /*advice*/) {}
  // The offset is not ours: read() and write() use kHostOffset; seek() and tell() are overridden.
  virtual bool offset_is_the_hosts() const noexcept { return false; }

 private:
  const bool readable_;
  const bool writable_;
  Fdflags flags_;
  std::uint64_t offset_ = 0;
};

struct DirectoryEntry {
  std::string_view name;
  std::uint64_t ino = 0;
  Filetype filetype = Filetype::kUnknown;
  // Continue with this to get the entry after this one. Never 0; Directory gives values below 2^31
  // (directory_cookies.h has the exception).
  std::uint64_t next_cookie = 0;
};

class DirectoryEntrySink {
 public:
  virtual ~DirectoryEntrySink() = default;
  // false: no more entries now. The entry is only valid during the call.
  virtual bool add(const DirectoryEntry& entry) = 0;
};

struct OpenOptions {
  Follow follow = Follow::kNo;
  Oflags oflags = Oflags::kNone;
  Fdflags fdflags = Fdflags::kNone;
  bool read = false;
  bool write = false;
  // A directory that is opened does not get the root for links to absolute paths: nothing leads out
  // of it.
  bool confined = false;
};

class Directory;
class DirectoryNode;    // wasix/fs_node.h
class DirectoryReader;  // wasix/fs_node.h
namespace internal {
class DirectoryCookies;
}
using Opened = std::variant<std::shared_ptr<File>, std::shared_ptr<Directory>>;

// One opening of a directory, and the only way to paths.
//
// All paths: kNoent when empty, kNametoolong above kPathBytesMax or with a component above
// kNameBytesMax, kIlseq when not UTF-8, kInval with a NUL, kPerm when absolute or leaving the
// directory. A trailing slash demands a directory. Links in the middle of a path are always
// followed.
class Directory final {
 public:
  // `root`: where links to absolute paths begin, and where `..` stays, behind them and when it is
  // this directory; null: they are kPerm.
  explicit Directory(std::shared_ptr<DirectoryNode> node,
                     std::shared_ptr<DirectoryNode> root = nullptr) noexcept;
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory();

  // Another opening of it, which is the root for links to absolute paths.
  std::shared_ptr<Directory> reopen_as_root() const;

  // path_open. A file needs no access to be opened (then only its metadata is of use). A directory
  // is opened when the path names one: kIsdir with `write`, kCreat or kTrunc. kLoop for a symbolic
  // link that is not to be followed (kNotdir with kDirectory); kInval for kCreat with kDirectory;
  // kNxio for sockets; kAcces for fifos and devices of the host.
  ErrnoResult<Opened> open(std::string_view path, const OpenOptions& options);

  ErrnoResult<FileStat> stat();
  ErrnoResult<FileStat> stat(std::string_view path, Follow follow);
  ErrnoResult<> set_times(const TimesChange& times);
  ErrnoResult<> set_times(std::string_view path, Follow follow, const TimesChange& times);

  ErrnoResult<> make_directory(std::string_view path);
  ErrnoResult<> remove_directory(std::string_view path);
  ErrnoResult<> unlink(std::string_view path);
  // `target` is kept as given, also an absolute one; kNoent when empty.
  ErrnoResult<> symlink(std::string_view target, std::string_view path);
  ErrnoResult<std::string> read_link(std::string_view path);
  // Makes a file that is the name of a unix socket, and says what it is. Nobody answers there: that
  // is the business of who made it. kExist when anything has the name.
  ErrnoResult<FileStat> make_socket(std::string_view path);
  // rename(2) and linkat(2): kXdev between file systems. `to` may be this directory.
  ErrnoResult<> rename(std::string_view path, Directory& to, std::string_view new_path);
  // Never follows a link in the last place (path_link with that flag is the caller's kInval).
  ErrnoResult<> link(std::string_view path, Directory& to, std::string_view new_path);

  // Gives entries to the sink, `.` and `..` among them, from the one that `cookie` points at (0:
  // the first). Cookies stay valid while entries come and go; entries that stay are given exactly
  // once. Names that are not UTF-8 are left out, since no path can name them.
  ErrnoResult<> read_entries(std::uint64_t cookie, DirectoryEntrySink& sink);

  // As in File.
  bool waits_for_disk() const noexcept;
  ErrnoResult<> sync();

  const std::shared_ptr<DirectoryNode>& node() const noexcept [[clang::lifetimebound]] {
    return node_;
  }

 private:
  std::shared_ptr<DirectoryNode> node_;
  std::shared_ptr<DirectoryNode> root_;
  // Made by the first read_entries.
  std::unique_ptr<DirectoryReader> reader_;
  std::unique_ptr<internal::DirectoryCookies> cookies_;
};

// Something that can be mounted: HostDirectory (fs_host.h), MemoryFileSystem, also as an overlay
// (fs_memory.h), archives (fs_archive.h), what the machine has in /dev and /bin
// (fs_devices.h, fs_commands.h), and MountTable (fs_mounts.h) and merge_file_systems (fs_merged.h),
// which join the others.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual std::shared_ptr<DirectoryNode> root() = 0;
  // A fresh opening of the root.
  std::shared_ptr<Directory> open_root();
};

}  // namespace selvedge::wasix
