#pragma once

// What a child begins with: its descriptors and working directory, as the steps of a spawn and the
// modes of its standard streams make them of the parent's.

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/random.h"
#include "io/reactor.h"
#include "wasix/abi_process.h"
#include "wasix/errno_result.h"
#include "wasix/handle_table.h"
#include "wasix/internal/spawn_request.h"

namespace selvedge::wasix::internal {

inline constexpr std::size_t kStandardStreams = 3;
using StandardStreams = std::array<abi::StdioMode, kStandardStreams>;

struct ChildState {
  HandleTable handles;
  std::string working_directory;
};

// One step, in the order of the list. The errors of dup2(2), open(2), chdir(2) and fchdir(2);
// closing what is not open is none. kNoent: fchdir to a directory that has moved away from the path
// that it was opened by; kNametoolong: that path is too long to be kept; kNotsup: what would put
// something in the place of a preopened directory. Closing one of those does nothing.
// `random`: what devices give; outlives what is opened.
ErrnoResult<> apply(ChildState& child, const SpawnStep& step, base::Random& random);
// kNoent, kNotdir, kNametoolong, kInval, kNotcapable.
ErrnoResult<> change_directory(ChildState& child, std::string_view path);

// The parent's ends of the pipes of a child; closed unless there is one in the end.
class ParentEnds {
 public:
  explicit ParentEnds(HandleTable& handles) noexcept : handles_(handles) {}
  ParentEnds(const ParentEnds&) = delete;
  ParentEnds& operator=(const ParentEnds&) = delete;
  ~ParentEnds() {
    for (const std::optional<GuestFd>& end : ends_) {
      if (end && !kept_) {
        static_cast<void>(handles_.close(*end));
      }
    }
  }

  ErrnoResult<> add(std::size_t stream, std::shared_ptr<Handle> handle) {
    SELVEDGE_TRY_ERRNO(ends_.at(stream), handles_.insert(descriptor_of(std::move(handle))));
    return {};
  }
  void keep() noexcept { kept_ = true; }
  abi::OptionFd at(std::size_t stream) const noexcept {
    const std::optional<GuestFd>& end = ends_.at(stream);
    return {.tag = end ? std::uint8_t{1} : std::uint8_t{0}, .padding = {}, .fd = end.value_or(0)};
  }

  static Descriptor descriptor_of(std::shared_ptr<Handle> handle) {
    const Rights rights = handle->rights_base();
    return {.handle = std::move(handle), .rights_base = rights};
  }

 private:
  HandleTable& handles_;
  std::array<std::optional<GuestFd>, kStandardStreams> ends_;
  bool kept_ = false;
};

// kMfile: the parent has no room for its ends of the pipes; kNotsup: a stream that leads to a log.
ErrnoResult<> connect_streams(io::Reactor& reactor, const StandardStreams& streams,
                              ChildState& child, ParentEnds& parent);

}  // namespace selvedge::wasix::internal
