#include "logs/shard_log.h"

#include <algorithm>
#include <utility>

#include "base/format.h"

namespace selvedge::logs {
namespace {

// Of an app's records before they come: a hundred bytes of a request, a few dozen times.
constexpr std::size_t kReservedBytesMax = 2048;

}  // namespace

std::shared_ptr<ShardLog::Channel> ShardLog::channel(const std::string& app) {
  auto& known = channels_[app];
  auto channel = known.lock();
  if (channel == nullptr) {
    channel = std::make_shared<Channel>(app);
    known = channel;
  }
  if (channels_.size() >= sweep_at_) {
    std::erase_if(channels_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<std::size_t>(sweep_at_, channels_.size() * 2);
  }
  return channel;
}

void ShardLog::add(const std::shared_ptr<Channel>& channel, Entry entry) {
  Channel& to = *channel;
  if (to.removed_) {
    return;
  }
  if (!to.waits_) {
    if (waiting_.size() >= limits_.apps_max) {
      ++dropped_;
      return;
    }
    to.waits_ = true;
    to.since_ = reactor_.now();
    to.place_ = waiting_.insert(waiting_.end(), channel);
    // As much as last time, so that they need not move while they become more.
    to.records_.reserve(std::min(to.usual_bytes_, kReservedBytesMax));
  }
  const std::size_t bytes = record_bytes(entry);
  if (to.records_.byte_count() + bytes > limits_.app_bytes_max ||
      bytes_ + bytes > limits_.bytes_max) {
    ++to.dropped_;
    ++dropped_;
  } else {
    entry.time = clock_.wall_now();
    entry.shard = shard_;
    to.records_.add(entry);
    bytes_ += bytes;
  }
  ready_.set();
  if (!to.urgent_ && to.records_.byte_count() > limits_.app_bytes_max / 16) {
    hasten(to);
  }
  if (to.records_.byte_count() > limits_.app_bytes_max / 4 || bytes_ > limits_.bytes_max / 4 * 3) {
    urgent_.set();
  }
}

ShardLog::Channel* ShardLog::find(const std::string& app) {
  const auto known = channels_.find(app);
  return known == channels_.end() ? nullptr : known->second.lock().get();
}

void ShardLog::hasten(Channel& channel) noexcept {
  if (channel.waits_ && !channel.urgent_) {
    channel.urgent_ = true;
    waiting_.splice(waiting_.begin(), waiting_, channel.place_);
  }
}

void ShardLog::remove(const std::string& app) {
  Channel* const channel = find(app);
  channels_.erase(app);
  if (channel == nullptr) {
    return;
  }
  channel->removed_ = true;
  if (channel->waits_) {
    bytes_ -= channel->records_.byte_count();
    channel->waits_ = false;
    waiting_.erase(channel->place_);
  }
}

void ShardLog::follow(const std::string& app) { ++followers_[app]; }

void ShardLog::unfollow(const std::string& app) {
  if (const auto found = followers_.find(app); found != followers_.end() && --found->second == 0) {
    followers_.erase(found);
  }
}

bool ShardLog::must_be_written(const Channel& channel) const noexcept {
  return stopping_ || channel.urgent_ || bytes_ > limits_.bytes_max / 3 * 2 ||
         reactor_.now() - channel.since_ >= limits_.wait_time_max;
}

AppRecords ShardLog::take(Channel& channel) {
  AppRecords taken{.app = channel.app_, .records = std::exchange(channel.records_, {})};
  bytes_ -= taken.records.byte_count();
  channel.usual_bytes_ = taken.records.byte_count();
  if (channel.dropped_ > 0) {
    taken.records.add({.time = clock_.wall_now(),
                       .shard = shard_,
                       .stream = Stream::kPlatform,
                       .text = fmt::format("{} entries are missing here: they came faster "
                                           "than the disk took them",
                                           channel.dropped_)});
    channel.dropped_ = 0;
  }
  channel.waits_ = false;
  channel.urgent_ = false;
  return taken;
}

std::vector<AppRecords> ShardLog::take_next() {
  for (const auto& [app, count] : followers_) {
    if (Channel* const channel = find(app); channel != nullptr) {
      hasten(*channel);
    }
  }
  std::vector<AppRecords> taken;
  while (!waiting_.empty() &&
         (taken.size() < limits_.files_max || must_be_written(*waiting_.front()))) {
    taken.push_back(take(*waiting_.front()));
    waiting_.pop_front();
  }
  return taken;
}

io::Task<> ShardLog::flush(std::string app) {
  std::uint64_t last = batches_begun_;
  if (Channel* const channel = find(app); channel != nullptr && channel->waits_) {
    hasten(*channel);
    urgent_.set();
    ++last;
  }
  while (batches_ended_ < last) {
    co_await written_.wait();
  }
  co_return {};
}

io::Task<> ShardLog::run() {
  for (;;) {
    co_await ready_.wait();
    [[maybe_unused]] const auto gathered =
        co_await urgent_.wait(reactor_.deadline_after(limits_.gather_time));
    ready_.reset();
    urgent_.reset();
    if (!waiting_.empty()) {
      // What cannot be written is said in the log itself, once that works again, and in the node's.
      ++batches_begun_;
      [[maybe_unused]] const auto written = co_await logs_.write(reactor_, take_next());
      ++batches_ended_;
      written_.notify();
    }
    if (!waiting_.empty()) {
      ready_.set();
    } else if (stopping_) {
      co_return {};
    }
    if (stopping_) {
      urgent_.set();
    }
  }
}

void ShardLog::stop() noexcept {
  stopping_ = true;
  ready_.set();
  urgent_.set();
}

}  // namespace selvedge::logs
