#pragma once

// Handles for the three standard descriptors: a stream of the host, nothing, a log. (A pipe to the
// host: pipe.h.)

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/stream.h"
#include "wasix/handle.h"

namespace selvedge::wasix {

// A terminal, pipe, socket or file of the host.
class StreamHandle final : public Handle {
 public:
  struct Options {
    // kCharacterDevice makes the guest believe that it talks to a terminal.
    Filetype filetype = Filetype::kUnknown;
    bool readable = false;
    bool writable = false;
  };
  // `stream` is shared when one host stream serves several descriptors (a terminal).
  StreamHandle(std::shared_ptr<io::Stream> stream, Options options) noexcept;

  Filetype filetype() const noexcept override { return options_.filetype; }
  Rights rights_base() const noexcept override;
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override;
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override;
  io::Event* readable() noexcept override;
  io::Event* writable() noexcept override;
  Readiness read_readiness() override;
  Readiness write_readiness() override;
  bool counts_as_output() const noexcept override { return options_.writable; }

 private:
  std::shared_ptr<io::Stream> stream_;
  Options options_;
};

// /dev/null: reads end at once, writes vanish.
class NullHandle final : public Handle {
 public:
  Filetype filetype() const noexcept override { return Filetype::kCharacterDevice; }
  bool ignores_offsets() const noexcept override { return true; }
  // With kFdSeek and kFdTell, so that it does not look like a terminal.
  Rights rights_base() const noexcept override;
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override;
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override;
};

// Cuts what the guest writes into lines and hands them on, e.g. to a log.
class LineHandle final : public Handle {
 public:
  // Longer lines are handed on in pieces of this size.
  static constexpr std::size_t kLineBytesMax = 8192;
  // One line without its newline, as the guest wrote it: not escaped, not necessarily UTF-8. Valid
  // during the call.
  using Sink = std::move_only_function<void(std::string_view line)>;

  explicit LineHandle(Sink sink) noexcept;
  // Hands on an unfinished last line.
  ~LineHandle() override;

  Filetype filetype() const noexcept override { return Filetype::kUnknown; }
  Rights rights_base() const noexcept override { return kStreamRights | Rights::kFdWrite; }
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override;
  bool counts_as_output() const noexcept override { return true; }

 private:
  void append(std::string_view text);

  Sink sink_;
  std::string line_;
};

}  // namespace selvedge::wasix
