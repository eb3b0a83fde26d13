// The working directory. It is a path that the process remembers; wasix-libc makes relative paths
// from it.

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "wasix/guest_path.h"
#include "wasix/internal/handle_calls.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/preopen_lookup.h"

namespace selvedge::wasix::internal {

// With a NUL behind the path; the length that is written does not count it. kRange: the buffer is
// too small, and the length is what it takes with the NUL (wasix-libc then tries again).
Errno getcwd(Thread& thread, Ptr<std::uint8_t> path, Ptr<std::uint32_t> path_len) {
  const engine::GuestMemory memory = thread.memory();
  const std::optional<std::uint32_t> room = memory.read(path_len);
  if (!room) {
    return Errno::kFault;
  }
  const std::string& directory = thread.process().working_directory();
  const auto length = static_cast<std::uint32_t>(directory.size());
  // wasix-libc allocates when the call with its caller's null does not fit, whatever the size.
  if (*room <= length || path.address == 0) {
    return memory.write(path_len, length + 1) ? Errno::kRange : Errno::kFault;
  }
  const auto target = memory.bytes(path.address, std::uint64_t{length} + 1);
  if (!target) {
    return Errno::kFault;
  }
  std::memcpy(target->data(), directory.c_str(), directory.size() + 1);
  return memory.write(path_len, length) ? Errno::kSuccess : Errno::kFault;
}

// `..` is taken from the text of the path, so it does not go back over a symbolic link. A directory
// that only leads to a preopened one, like the root, is there too.
Errno chdir(Thread& thread, Ptr<std::uint8_t> path, std::uint32_t path_len) {
  SELVEDGE_TRY_ERRNO(const std::string given, read_path(thread, path, path_len));
  if (given.empty()) {
    return Errno::kNoent;
  }
  if (given.find('\0') != std::string::npos) {
    return Errno::kInval;
  }
  Process& process = thread.process();
  std::string target = absolute_path(process.working_directory(), given);
  if (target.size() > kPathBytesMax) {
    return Errno::kNametoolong;
  }
  SELVEDGE_TRY_ERRNO_VOID(check_directory(process.handles(), target));
  process.set_working_directory(std::move(target));
  return Errno::kSuccess;
}

}  // namespace selvedge::wasix::internal
