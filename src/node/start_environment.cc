#include "node/start_environment.h"

#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "base/format.h"
#include "node/successor.h"

namespace selvedge::node {
namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

StartEnvironment StartEnvironment::read() {
  StartEnvironment made;
  made.notify_socket = variable("NOTIFY_SOCKET");
  const std::string self = fmt::format("{}", ::getpid());
  if (const std::string watched = variable("WATCHDOG_PID"); watched.empty() || watched == self) {
    made.watchdog_usec = variable("WATCHDOG_USEC");
  }
  if (variable("LISTEN_PID") == self) {
    const std::string count = variable("LISTEN_FDS");
    std::from_chars(count.data(), count.data() + count.size(), made.listen_count);
  }
  made.passed_names = variable(kPassedNamesVariable);
  made.passed_plan = variable(kPassedPlanVariable);
  return made;
}

}  // namespace selvedge::node
