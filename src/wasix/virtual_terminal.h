#pragma once

// A terminal in memory: what a user at the other end of a connection types goes in, what he is to
// see comes out, and in between lies a line discipline (internal/line_discipline.h).
//
//   auto terminal = VirtualTerminal::create(reactor, {.size = {.columns = 80, .rows = 24},
//                                                     .on_signal = [&](Signal signal) { ... }});
//   options.standard_input = terminal->input();     // the guest's side
//   options.standard_output = terminal->output();
//   options.standard_error = terminal->output();
//   options.terminal = terminal;
//   ... terminal->receive(bytes); terminal->take_output(buffer);    // the host's side
//
// Backpressure in both directions: receive() takes less than it was given when the guest does not
// read, and the guest's writes wait when the host does not take the output. The keys for signals
// never wait. Limits: LineDiscipline.

#include <cstddef>
#include <functional>
#include <memory>

#include "base/bytes.h"
#include "io/event.h"
#include "io/reactor.h"
#include "wasix/handle.h"
#include "wasix/internal/line_discipline.h"
#include "wasix/terminal.h"

namespace selvedge::wasix {

// Shared by the host's connection, the processes and the handles. One shard's thread.
class VirtualTerminal final : public Terminal,
                              public std::enable_shared_from_this<VirtualTerminal> {
  // Only create() can name it.
  struct Key {};

 public:
  // Runs inside receive(), for each key for a signal: kInt, kQuit, kTstp.
  using SignalSink = std::move_only_function<void(Signal)>;
  struct Options {
    TerminalSize size = {};
    TerminalModes modes = {};
    SignalSink on_signal = nullptr;  // null: the keys have no effect
  };
  static std::shared_ptr<VirtualTerminal> create(io::Reactor& reactor, Options options);
  VirtualTerminal(Key key, io::Reactor& reactor, Options options);

  ErrnoResult<TerminalState> state() override;
  Errno set_modes(TerminalModes modes) override;
  io::Event& resized() noexcept override { return resized_; }

  // ---- The guest's side. Terminals to it (isatty), and they keep this alive. ----
  // Reads give at most one line while lines are edited. 0: the user's ^D, once; for ever after
  // hang_up().
  std::shared_ptr<Handle> input();
  // kIo after hang_up(). Counts as output.
  std::shared_ptr<Handle> output();

  // ---- The host's side ----
  // Bytes of the user. Takes a prefix; the rest is for when receivable() is set.
  std::size_t receive(ByteSpan bytes);
  io::Event& receivable() noexcept [[clang::lifetimebound]] { return receivable_; }
  // Bytes for the user; 0: none now, wait for has_output().
  std::size_t take_output(MutableByteSpan target) noexcept;
  io::Event& has_output() noexcept [[clang::lifetimebound]] { return has_output_; }
  void resize(TerminalSize size);
  // The user is gone: reads end, writes fail, on_signal is dropped (a SIGHUP is the caller's). What
  // was written before can still be taken. Not from inside on_signal. Idempotent.
  void hang_up() noexcept;

 private:
  class Input;
  class Output;

  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers);
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers);
  void update_input() noexcept;
  void update_output() noexcept;

  internal::LineDiscipline discipline_;
  TerminalSize size_;
  SignalSink on_signal_;
  bool hung_up_ = false;
  io::Event resized_;
  io::Event readable_;
  io::Event writable_;
  io::Event receivable_;
  io::Event has_output_;
};

}  // namespace selvedge::wasix
