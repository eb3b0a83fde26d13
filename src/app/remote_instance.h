#pragma once

// An instance that runs on another shard, for ProxyRunner: only connections are made here, its life
// is that shard's business.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "app/upstream_instance.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/task.h"

namespace selvedge::app {

// One shard's thread.
class RemoteInstance final : public UpstreamInstance {
 public:
  using Connect = std::function<io::Task<std::unique_ptr<io::Stream>>()>;

  // What `connect` refers to outlives this.
  RemoteInstance(io::Reactor& reactor [[clang::lifetimebound]], Connect connect)
      : connect_(std::move(connect)), ended_(reactor) {
    ended_.set();
  }

  Result<> start() override {
    ended_.reset();
    return {};
  }
  io::Task<std::unique_ptr<io::Stream>> connect(io::Deadline deadline) override {
    co_return co_await io::with_deadline(connect_(), deadline);
  }
  io::Event& ended() noexcept override { return ended_; }
  std::string end_reason() const override { return "is not used here any more"; }
  void request_stop() noexcept override { ended_.set(); }
  void kill() noexcept override { ended_.set(); }

 private:
  Connect connect_;
  io::Event ended_;
};

}  // namespace selvedge::app
