#include "wasix/virtual_terminal.h"

#include <algorithm>
#include <utility>

namespace selvedge::wasix {

using internal::LineDiscipline;

class VirtualTerminal::Input final : public Handle {
 public:
  explicit Input(std::shared_ptr<VirtualTerminal> terminal) noexcept
      : terminal_(std::move(terminal)) {}

  Filetype filetype() const noexcept override { return Filetype::kCharacterDevice; }
  Rights rights_base() const noexcept override { return kStreamRights | Rights::kFdRead; }
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override {
    return terminal_->try_read(buffers);
  }
  io::Event* readable() noexcept override { return &terminal_->readable_; }
  Readiness read_readiness() override {
    return {.ready = terminal_->readable_.is_set(),
            .hangup = terminal_->hung_up_,
            .bytes = terminal_->hung_up_ ? 0 : terminal_->discipline_.readable_bytes()};
  }

 private:
  std::shared_ptr<VirtualTerminal> terminal_;
};

class VirtualTerminal::Output final : public Handle {
 public:
  explicit Output(std::shared_ptr<VirtualTerminal> terminal) noexcept
      : terminal_(std::move(terminal)) {}

  Filetype filetype() const noexcept override { return Filetype::kCharacterDevice; }
  Rights rights_base() const noexcept override { return kStreamRights | Rights::kFdWrite; }
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override {
    return terminal_->try_write(buffers);
  }
  io::Event* writable() noexcept override { return &terminal_->writable_; }
  Readiness write_readiness() override {
    return {.ready = terminal_->writable_.is_set(), .hangup = terminal_->hung_up_};
  }
  bool counts_as_output() const noexcept override { return true; }

 private:
  std::shared_ptr<VirtualTerminal> terminal_;
};

std::shared_ptr<VirtualTerminal> VirtualTerminal::create(io::Reactor& reactor, Options options) {
  return std::make_shared<VirtualTerminal>(Key{}, reactor, std::move(options));
}

VirtualTerminal::VirtualTerminal(Key /*key*/, io::Reactor& reactor, Options options)
    : discipline_(options.modes),
      size_(options.size),
      on_signal_(std::move(options.on_signal)),
      resized_(reactor),
      readable_(reactor),
      writable_(reactor),
      receivable_(reactor),
      has_output_(reactor) {
  writable_.set();
  receivable_.set();
}

ErrnoResult<TerminalState> VirtualTerminal::state() {
  if (hung_up_) {
    return refuse(Errno::kIo);
  }
  return TerminalState{.size = size_, .modes = discipline_.modes()};
}

Errno VirtualTerminal::set_modes(TerminalModes modes) {
  if (hung_up_) {
    return Errno::kIo;
  }
  discipline_.set_modes(modes);
  update_input();
  return Errno::kSuccess;
}

std::shared_ptr<Handle> VirtualTerminal::input() {
  return std::make_shared<Input>(shared_from_this());
}

std::shared_ptr<Handle> VirtualTerminal::output() {
  return std::make_shared<Output>(shared_from_this());
}

std::size_t VirtualTerminal::receive(ByteSpan bytes) {
  if (hung_up_) {
    return bytes.size();
  }
  std::size_t count = 0;
  while (count < bytes.size()) {
    const LineDiscipline::Received received = discipline_.receive(bytes.subspan(count));
    count += received.count;
    // Before the program hears of the signal, so that it finds the input as the signal left it.
    update_input();
    update_output();
    if (!received.signal) {
      break;
    }
    if (on_signal_) {
      on_signal_(*received.signal);
    }
  }
  return count;
}

std::size_t VirtualTerminal::take_output(MutableByteSpan target) noexcept {
  const std::size_t count = discipline_.take_output(target);
  update_output();
  return count;
}

void VirtualTerminal::resize(TerminalSize size) {
  if (size != size_) {
    size_ = size;
    resized_.notify();
  }
}

void VirtualTerminal::hang_up() noexcept {
  if (!std::exchange(hung_up_, true)) {
    on_signal_ = nullptr;
    readable_.set();
    writable_.set();
    receivable_.set();
    has_output_.set();
  }
}

ErrnoResult<std::size_t> VirtualTerminal::try_read(std::span<const MutableByteSpan> buffers) {
  if (hung_up_ ||
      std::ranges::all_of(buffers, [](MutableByteSpan buffer) { return buffer.empty(); })) {
    return std::size_t{0};
  }
  if (!discipline_.is_readable()) {
    return refuse(Errno::kAgain);
  }
  const std::size_t count = discipline_.read(buffers);
  if (!discipline_.is_readable()) {
    readable_.reset();
  }
  if (discipline_.input_is_low() && !receivable_.is_set()) {
    receivable_.set();
  }
  return count;
}

ErrnoResult<std::size_t> VirtualTerminal::try_write(std::span<const ByteSpan> buffers) {
  if (hung_up_) {
    return refuse(Errno::kIo);
  }
  std::size_t count = 0;
  for (const ByteSpan buffer : buffers) {
    const std::size_t taken = discipline_.write(buffer);
    count += taken;
    if (taken < buffer.size()) {
      writable_.reset();
      if (count == 0) {
        return refuse(Errno::kAgain);
      }
      break;
    }
  }
  update_output();
  return count;
}

// After the input has grown, was dropped, or is read in another way.
void VirtualTerminal::update_input() noexcept {
  if (discipline_.is_readable()) {
    readable_.set();
  } else {
    readable_.reset();
  }
  if (!discipline_.has_input_room()) {
    receivable_.reset();
  } else if (discipline_.input_is_low() && !receivable_.is_set()) {
    receivable_.set();
  }
}

void VirtualTerminal::update_output() noexcept {
  if (discipline_.output_size() > 0) {
    has_output_.set();
  } else if (!hung_up_) {
    has_output_.reset();
  }
  if (discipline_.output_size() <= LineDiscipline::kOutputBytesLow && !writable_.is_set()) {
    writable_.set();
  }
}

}  // namespace selvedge::wasix
