#pragma once

// What whoever started this process says in its environment: systemd, or the node that it takes
// over from.

#include <string>

namespace selvedge::node {

struct StartEnvironment {
  std::string notify_socket;
  std::string watchdog_usec;  // empty when it is meant for another process
  int listen_count = 0;       // LISTEN_FDS, when it is meant for this process
  std::string passed_names;   // of Successor
  std::string passed_plan;

  // Reads it. Main thread, before others start.
  static StartEnvironment read();
};

}  // namespace selvedge::node
