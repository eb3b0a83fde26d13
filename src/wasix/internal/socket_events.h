#pragma once

// The two events of a socket. What carries its bytes changes during its life (unconnected, waiting
// for a connection, connected), the events that pollers hold on to do not, so they are apart from
// both and shared between them.

#include "io/event.h"
#include "io/reactor.h"

namespace selvedge::wasix::internal {

struct SocketEvents {
  explicit SocketEvents(io::Reactor& reactor) noexcept : readable(reactor), writable(reactor) {}

  // Set while an attempt does not answer kAgain. What arrives calls set() also when they are set
  // (see Handle::readable); what only looks whether they still should be uses assign().
  io::Event readable;
  io::Event writable;

  static void assign(io::Event& event, bool set) noexcept {
    if (set == event.is_set()) {
      return;
    }
    if (set) {
      event.set();
    } else {
      event.reset();
    }
  }
};

}  // namespace selvedge::wasix::internal
