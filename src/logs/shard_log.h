#pragma once

// What one shard has to say of its apps, until the writer takes it: a bounded queue.
//
// An entry waits a moment for others, since each app has a file of its own and opening it costs far
// more than what is written. When very many apps speak, a moment brings hardly two entries of one
// app together: then only some files are written to each time, of the apps that have waited
// longest, and the others' entries wait for more. So what an entry costs does not depend on the
// number of apps.

#include <cstddef>
#include <cstdint>
#include <list>
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
#include "logs/record_batch.h"

namespace selvedge::logs {

struct ShardLogLimits {
  // Of the records that wait. What is more than two thirds of it waits for gather_time at most.
  std::size_t bytes_max = std::size_t{24} << 20;
  // Of one app in it, so that the others have room. What is more than a sixteenth of it waits for
  // gather_time at most: it has company enough.
  std::size_t app_bytes_max = std::size_t{1} << 20;
  std::size_t apps_max = 16'384;
  // What is added waits so long for more, unless a quarter of the app's room is taken, or three
  // quarters of all: the disk is written to now and then, not for each entry.
  base::Duration gather_time = std::chrono::milliseconds(100);
  // Files that are written to then, unless more have to.
  std::size_t files_max = 64;
  // Entries of other apps wait for their turn, but not longer.
  base::Duration wait_time_max = kEntryWaitTimeMax;
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
    RecordBatch records_;          // that wait
    std::size_t usual_bytes_ = 0;  // of them when they were taken last
    std::uint64_t dropped_ = 0;    // since something waits
    base::MonotonicTime since_;    // when the first one came
    bool waits_ = false;           // there is something of it
    bool urgent_ = false;          // and is written next
    bool removed_ = false;
    std::list<std::shared_ptr<Channel>>::iterator place_;  // while it waits
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
  void add(const std::shared_ptr<Channel>& channel, Entry entry);
  // Nothing more of what has channels of the app now, nor what waits here.
  void remove(const std::string& app);

  // Completes when all that was added of the app before is written, or could not be. While run()
  // runs.
  io::Task<> flush(std::string app);
  // From now on what the app says waits for gather_time at most; as often as unfollow().
  void follow(const std::string& app);
  void unfollow(const std::string& app);

  // Hands on what is added, until stop() and all of it is handed on.
  io::Task<> run();
  void stop() noexcept;

  std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  Channel* find(const std::string& app);
  // Of those that wait it is written first.
  void hasten(Channel& channel) noexcept;
  bool must_be_written(const Channel& channel) const noexcept;
  AppRecords take(Channel& channel);
  std::vector<AppRecords> take_next();

  io::Reactor& reactor_;
  AppLogs& logs_;
  const base::Clock& clock_;
  std::uint16_t shard_;
  ShardLogLimits limits_;
  std::map<std::string, std::weak_ptr<Channel>> channels_;  // some of them gone
  std::size_t sweep_at_ = 64;                               // channels, when those are looked for
  // Channels with something that waits: first those that are urgent, then by how long it does.
  std::list<std::shared_ptr<Channel>> waiting_;
  std::map<std::string, std::size_t> followers_;
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
