#include "wasix/device_handle.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "wasix/stdio.h"

namespace selvedge::wasix {

namespace {

// One read of random bytes, so that it does not hold up the shard.
constexpr std::size_t kRandomReadBytesMax = 65'536;
constexpr GuestFd kStandardStreams = 3;

// Reads give bytes without end.
class SourceHandle final : public Handle {
 public:
  SourceHandle(Device device, base::Random& random) noexcept : device_(device), random_(random) {}

  Filetype filetype() const noexcept override { return Filetype::kCharacterDevice; }
  // With kFdSeek and kFdTell, so that it does not look like a terminal.
  Rights rights_base() const noexcept override {
    return kStreamRights | Rights::kFdRead | Rights::kFdWrite | Rights::kFdSeek | Rights::kFdTell;
  }
  bool ignores_offsets() const noexcept override { return true; }

  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override {
    std::size_t count = 0;
    for (MutableByteSpan buffer : buffers) {
      if (device_ == Device::kRandom) {
        buffer = buffer.first(std::min(buffer.size(), kRandomReadBytesMax - count));
        random_.fill(buffer);
      } else {
        std::ranges::fill(buffer, std::byte{0});
      }
      count += buffer.size();
    }
    return count;
  }

  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override {
    std::size_t count = 0;
    for (const ByteSpan buffer : buffers) {
      count += buffer.size();
    }
    return device_ == Device::kFull && count > 0 ? refuse(Errno::kNospc)
                                                 : ErrnoResult<std::size_t>(count);
  }

 private:
  const Device device_;
  base::Random& random_;
};

// Two standard streams that lead to one terminal, as one.
class TerminalPair final : public Handle {
 public:
  TerminalPair(std::shared_ptr<Handle> input, std::shared_ptr<Handle> output) noexcept
      : input_(std::move(input)), output_(std::move(output)) {}

  Filetype filetype() const noexcept override { return Filetype::kCharacterDevice; }
  Rights rights_base() const noexcept override {
    return input_->rights_base() | output_->rights_base();
  }
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override {
    return input_->try_read(buffers);
  }
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override {
    return output_->try_write(buffers);
  }
  io::Event* readable() noexcept override { return input_->readable(); }
  io::Event* writable() noexcept override { return output_->writable(); }
  Readiness read_readiness() override { return input_->read_readiness(); }
  Readiness write_readiness() override { return output_->write_readiness(); }
  bool counts_as_output() const noexcept override { return output_->counts_as_output(); }
  bool gives_way(base::Duration cpu_time) noexcept override { return output_->gives_way(cpu_time); }

 private:
  const std::shared_ptr<Handle> input_;
  const std::shared_ptr<Handle> output_;
};

}  // namespace

bool is_terminal(const Descriptor& descriptor) noexcept {
  return descriptor.handle->filetype() == Filetype::kCharacterDevice &&
         !has_any(descriptor.rights_base, Rights::kFdSeek | Rights::kFdTell);
}

std::optional<GuestFd> standard_stream_of(Device device) noexcept {
  switch (device) {
    case Device::kStandardInput:
      return 0;
    case Device::kStandardOutput:
      return 1;
    case Device::kStandardError:
      return 2;
    default:
      return std::nullopt;
  }
}

std::shared_ptr<Handle> make_device_handle(Device device, base::Random& random) {
  switch (device) {
    case Device::kNull:
      return std::make_shared<NullHandle>();
    case Device::kZero:
    case Device::kFull:
    case Device::kRandom:
      return std::make_shared<SourceHandle>(device, random);
    default:
      return nullptr;
  }
}

std::shared_ptr<Handle> terminal_of(const HandleTable& handles) {
  const auto descriptors = handles.descriptors();
  const auto find = [descriptors](Rights right) -> std::shared_ptr<Handle> {
    for (const Descriptor& descriptor :
         descriptors.first(std::min<std::size_t>(descriptors.size(), kStandardStreams))) {
      if (descriptor.handle != nullptr && is_terminal(descriptor) &&
          has_all(descriptor.rights_base, right)) {
        return descriptor.handle;
      }
    }
    return nullptr;
  };
  std::shared_ptr<Handle> input = find(Rights::kFdRead);
  std::shared_ptr<Handle> output = find(Rights::kFdWrite);
  if (input == nullptr || output == nullptr || input == output) {
    return input == nullptr ? output : input;
  }
  return std::make_shared<TerminalPair>(std::move(input), std::move(output));
}

}  // namespace selvedge::wasix
