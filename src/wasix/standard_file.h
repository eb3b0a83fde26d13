#pragma once

// Standard descriptors that are regular files of the host (`selvedge run x.wasm < in > out`).

#include <memory>

#include "wasix/file_handle.h"

namespace selvedge::wasix {

// Shares the host's open file description: where one program stops, the next one that has inherited
// the descriptor goes on, and what is opened for appending appends. It can what the description can
// and no more: its access mode holds, O_APPEND stays, and times are only set where it is writable.
class StandardFileHandle final : public FileHandle {
  struct Key {};

 public:
  // nullptr: `fd` is no regular file, or not open for reading or writing. It stays the caller's.
  static std::shared_ptr<StandardFileHandle> open(int fd);
  StandardFileHandle(Key, std::shared_ptr<File> file, bool appends) noexcept;

  Rights rights_base() const noexcept override;
  Errno set_flags(Fdflags flags) override;
  bool counts_as_output() const noexcept override { return file()->writable(); }

 private:
  const bool appends_;
};

}  // namespace selvedge::wasix
