#pragma once

// The process that a node leaves its place to: the same program, as it is on the disk now, started
// with the same arguments. It gets copies of the sockets and of the data folder's lock, tells when
// it serves, and only then the old one stops; when it fails, nothing has changed.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/deadline.h"
#include "io/kernel_reactor.h"
#include "io/stream.h"
#include "io/task.h"
#include "node/listen_sockets.h"

namespace selvedge::node {

// How this process was started. Read it before the file can be replaced: Linux forgets the name.
struct ProgramCommand {
  std::string path;
  std::vector<std::string> arguments;  // with the program's name

  static Result<ProgramCommand> of_this_process();
};

// What a process that was started as a successor is told through its environment.
inline constexpr const char* kPassedNamesVariable = "SELVEDGE_PASSED";
inline constexpr const char* kPassedPlanVariable = "SELVEDGE_PASSED_PLAN";

// One reactor's thread.
class Successor {
 public:
  struct Passed {
    const ListenSockets& sockets;
    int lock;          // of the data folder
    std::string plan;  // to_string() of the ListenPlan
  };
  // Errors: it cannot be started.
  static Result<std::unique_ptr<Successor>> start(io::KernelReactor& reactor,
                                                  const ProgramCommand& command,
                                                  const Passed& passed);
  // Ends it, unless it is ready.
  ~Successor();

  // Waits until it serves. Internal, Timeout: one sentence on why it does not.
  io::Task<> ready(io::Deadline deadline);
  pid_t pid() const noexcept { return pid_; }

 private:
  struct Private {
    explicit Private() = default;
  };

 public:
  // For start().
  Successor(Private, pid_t pid, base::UniqueFd channel, std::unique_ptr<io::Stream> stream) noexcept
      : pid_(pid), channel_(std::move(channel)), stream_(std::move(stream)) {}

 private:
  pid_t pid_;
  bool ready_ = false;
  base::UniqueFd channel_;
  std::unique_ptr<io::Stream> stream_;
};

// The other side, in the successor: nothing is said when `channel` is absent.
void tell_ready(base::UniqueFd channel);
void tell_failed(base::UniqueFd channel, const Error& error);

}  // namespace selvedge::node
