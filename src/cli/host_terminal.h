#pragma once

// The terminal that we were started on, as the terminal of the program that we run. Its modes are
// the kernel's and outlive us, so what the program changes is put back when it has ended.

#include <termios.h>

#include <initializer_list>
#include <memory>

#include "io/event.h"
#include "io/reactor.h"
#include "io/signal_source.h"
#include "io/task.h"
#include "wasix/terminal.h"

namespace selvedge::cli {

// One reactor's thread. Shared by the composition root and the process.
class HostTerminal final : public wasix::Terminal {
  // Only find() can name it.
  struct Key {};

 public:
  // The first of the descriptors that is a terminal; null: none is. The descriptor outlives this.
  static std::shared_ptr<HostTerminal> find(io::Reactor& reactor,
                                            std::initializer_list<int> descriptors);
  HostTerminal(Key key, io::Reactor& reactor, int fd, const termios& original) noexcept;
  // Restores.
  ~HostTerminal() override;

  wasix::ErrnoResult<wasix::TerminalState> state() override;
  // Without line_buffered, CR and the keys that stop output (^S, ^Q) are input too. In a background
  // job it stops us, as any program that changes the terminal (SIGTTOU).
  wasix::Errno set_modes(wasix::TerminalModes modes) override;
  io::Event& resized() noexcept override { return resized_; }

  // The modes as they were before us, if they were changed. In a background job nothing: the shell
  // has set the terminal as it needs it. Idempotent.
  void restore() noexcept;
  // Tells of new sizes; ends when the source fails. `signals`: SIGWINCH.
  io::Task<> watch_size(io::SignalSource& signals);

 private:
  int fd_;
  termios original_;
  bool changed_ = false;
  io::Event resized_;
};

}  // namespace selvedge::cli
