#pragma once

// A program that listens and is to be proxied to, as ProxyRunner sees it: something that can be
// started, connected to and ended. Whoever can run programs implements it; tests implement it with
// a server of their own.

#include <memory>
#include <string>

#include "base/result.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/stream.h"
#include "io/task.h"

namespace selvedge::app {

// One shard's thread. Outlives its user. At most one run of the program at a time.
class UpstreamInstance {
 public:
  virtual ~UpstreamInstance() = default;

  // Starts the program anew and resets ended(). Only called while ended() is set. An error means
  // that nothing was started, and leaves ended() set.
  virtual Result<> start() = 0;
  // A new connection to the lowest TCP port on which the program listens. kDisconnected: it does
  // not listen yet, refuses, or has ended; kTimeout. May wait for the program to listen, but not
  // beyond its end.
  virtual io::Task<std::unique_ptr<io::Stream>> connect(io::Deadline deadline) = 0;
  // Set while no program runs: at first, and from the end of each run to the next start().
  virtual io::Event& ended() noexcept [[clang::lifetimebound]] = 0;
  // Why the last run ended, for the log: "exited with code 3".
  virtual std::string end_reason() const = 0;

  // Asks the program to end (SIGTERM). ended() is set when it has.
  virtual void request_stop() noexcept = 0;
  // Ends it now (SIGKILL): ended() is set soon, and its connections break.
  virtual void kill() noexcept = 0;
};

// One that its user also ends for good.
class OwnedInstance : public UpstreamInstance {
 public:
  // Counts what the program has used since the last call.
  virtual void sample() noexcept = 0;
  // Ends the program if it still runs, and waits for that. Completes before this is destroyed.
  virtual io::Task<> close() = 0;
};

}  // namespace selvedge::app
