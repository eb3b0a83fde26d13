#pragma once

// Reads of regular files: as read(2), to the end of the buffers or of the file. Between two pieces
// of kTransferBytesMax the event loop turns; what is not in the host's memory is brought there by a
// helper thread, while the guest is suspended.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "wasix/file_handle.h"
#include "wasix/internal/host_calls.h"

namespace selvedge::wasix::internal {

// Bytes that one read yields; more is a short count. MAX_RW_COUNT on Linux.
inline constexpr std::size_t kReadBytesMax = 0x7fff'f000;

struct FileReadRequest {
  Ptr<abi::Iovec> iovs;
  std::uint32_t iovs_len;
  Ptr<std::uint32_t> nread;
  // nullopt: at the file's own, which it advances.
  std::optional<std::uint64_t> offset;
};

// `handle` is a file. An error shows in the count when anything was read before it.
BlockingErrno read_file(Thread& thread, const std::shared_ptr<Handle>& handle,
                        const FileReadRequest& request);

}  // namespace selvedge::wasix::internal
