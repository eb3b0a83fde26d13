#pragma once

// A program that listens on its own in-memory network, for ProxyRunner: one long-lived process,
// whose lowest listening TCP port gets the gateway's connections. Its output goes to the log of the
// version, line by line.

#include <memory>
#include <optional>
#include <string>

#include "app/environment.h"
#include "app/instance_meter.h"
#include "app/program.h"
#include "app/upstream_instance.h"
#include "app/version_log.h"
#include "base/clock.h"
#include "io/event.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "wasix/loopback_network.h"
#include "wasix/process.h"

namespace selvedge::app {

// The port that PORT names in a program's environment when nothing else does. A program may listen
// on any other.
inline constexpr std::string_view kDefaultPort = "80";

// One shard's thread.
class ListeningProgram final : public OwnedInstance {
 public:
  // `program` outlives this. `log`: nullopt: that of this process.
  explicit ListeningProgram(const ShardProgram& program [[clang::lifetimebound]],
                            std::optional<VersionLog> log = std::nullopt);
  // close() has completed before.
  ~ListeningProgram() override;

  Result<> start() override;
  io::Task<std::unique_ptr<io::Stream>> connect(io::Deadline deadline) override;
  io::Event& ended() noexcept override { return ended_; }
  std::string end_reason() const override { return end_reason_; }
  void request_stop() noexcept override;
  void kill() noexcept override;

  void sample() noexcept override;
  io::Task<> close() override;

 private:
  io::Task<> watch();

  const ShardProgram& program_;
  VersionLog log_;
  MemoryMeter memory_;
  io::Event ended_;
  std::string end_reason_ = "it was not started";
  std::shared_ptr<wasix::LoopbackNetwork> network_;
  std::unique_ptr<wasix::Process> process_;
  std::optional<InstanceMeter> meter_;
  // Of a run that has not been seen to listen.
  std::optional<base::MonotonicTime> started_;
  io::TaskScope scope_;  // last: its task uses the rest
};

}  // namespace selvedge::app
