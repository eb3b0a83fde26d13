#pragma once

// What one shard has to say of its apps, until the writer takes it: a bounded queue.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"
#include "logs/app_logs.h"
#include "logs/log_entry.h"

namespace selvedge::logs {

struct ShardLogLimits {
  // Of what waits, with what entries cost in memory beside their text.
  std::size_t bytes_max = std::size_t{4} << 20;
  // Of one app in it, so that the others have room.
  std::size_t app_bytes_max = std::size_t{1} << 20;
  std::size_t apps_max = 16'384;
  // What is added waits so long for more, unless a quarter of the room is taken: the disk is
  // written to now and then, not for each entry.
  base::Duration gather_time = std::chrono::milliseconds(100);
};

// One shard's thread.
class ShardLog {
 public:
  // Where entries of an app go, until the app is removed: one that comes after it under the same
  // name has another.
  class Channel {
   public:
    explicit Channel(std::string app) : app_(std::move(app)) {}
    const std::string& app() const noexcept [[clang::lifetimebound]] { return app_; }

   private:
    friend class ShardLog;
    std::string app_;
    std::uint64_t instances_ = 0;
    bool removed_ = false;
  };

  // All outlive this. `clock`: what entries are dated with.
  ShardLog(io::Reactor& reactor [[clang::lifetimebound]], AppLogs& logs [[clang::lifetimebound]],
           const base::Clock& clock [[clang::lifetimebound]], std::uint16_t shard,
           ShardLogLimits limits = {})
      : reactor_(reactor),
        logs_(logs),
        clock_(clock),
        shard_(shard),
        limits_(limits),
        ready_(reactor),
        urgent_(reactor),
        written_(reactor) {}

  std::shared_ptr<Channel> channel(const std::string& app);
  // The next number for an instance of the app on this shard.
  static std::uint64_t next_instance(Channel& channel) noexcept { return ++channel.instances_; }
  // Never waits. Gives the entry its time and shard.
  void add(const Channel& channel, Entry entry);
  // Nothing more of what has channels of the app now, nor what waits here.
  void remove(const std::string& app);

  // Completes when all that was added before is written, or could not be. While run() runs.
  io::Task<> flush();

  // Hands on what is added, until stop() and all of it is handed on.
  io::Task<> run();
  void stop() noexcept;

  std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  struct Queue {
    std::vector<Entry> entries;
    std::size_t bytes = 0;
    std::uint64_t dropped = 0;
  };
  static std::size_t cost_of(const Entry& entry) noexcept;
  EntriesByApp take();

  io::Reactor& reactor_;
  AppLogs& logs_;
  const base::Clock& clock_;
  std::uint16_t shard_;
  ShardLogLimits limits_;
  std::map<std::string, std::weak_ptr<Channel>> channels_;  // some of them gone
  std::size_t sweep_at_ = 64;                               // channels, when those are looked for
  std::map<std::string, Queue> queues_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;
  io::Event ready_;   // something waits
  io::Event urgent_;  // and should not for long
  std::uint64_t batches_begun_ = 0;
  std::uint64_t batches_ended_ = 0;
  io::Event written_;  // notified at the end of each
};

}  // namespace selvedge::logs
