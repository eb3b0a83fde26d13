#include "logs/shard_log.h"

#include <algorithm>
#include <utility>

#include "base/format.h"

namespace selvedge::logs {

std::size_t ShardLog::cost_of(const Entry& entry) noexcept {
  return sizeof(Entry) + entry.text.size() + entry.request_id.size();
}

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

void ShardLog::add(const Channel& channel, Entry entry) {
  if (channel.removed_) {
    return;
  }
  auto found = queues_.find(channel.app());
  if (found == queues_.end()) {
    if (queues_.size() >= limits_.apps_max) {
      ++dropped_;
      return;
    }
    found = queues_.emplace(channel.app(), Queue()).first;
  }
  Queue& queue = found->second;
  const std::size_t cost = cost_of(entry);
  if (queue.bytes + cost > limits_.app_bytes_max || bytes_ + cost > limits_.bytes_max) {
    ++queue.dropped;
    ++dropped_;
  } else {
    entry.time = clock_.wall_now();
    entry.shard = shard_;
    queue.bytes += cost;
    bytes_ += cost;
    queue.entries.push_back(std::move(entry));
  }
  ready_.set();
  if (queue.bytes > limits_.app_bytes_max / 4 || bytes_ > limits_.bytes_max / 4) {
    urgent_.set();
  }
}

void ShardLog::remove(const std::string& app) {
  if (const auto known = channels_.find(app); known != channels_.end()) {
    if (const auto channel = known->second.lock()) {
      channel->removed_ = true;
    }
    channels_.erase(known);
  }
  if (const auto queue = queues_.find(app); queue != queues_.end()) {
    bytes_ -= queue->second.bytes;
    queues_.erase(queue);
  }
}

EntriesByApp ShardLog::take() {
  EntriesByApp taken;
  for (auto& [app, queue] : queues_) {
    if (queue.dropped > 0) {
      queue.entries.push_back({.time = clock_.wall_now(),
                               .shard = shard_,
                               .stream = Stream::kPlatform,
                               .text = fmt::format("{} entries are missing here: they came faster "
                                                   "than the disk took them",
                                                   queue.dropped)});
    }
    taken.emplace(app, std::move(queue.entries));
  }
  queues_.clear();
  bytes_ = 0;
  return taken;
}

io::Task<> ShardLog::flush() {
  const std::uint64_t last = batches_begun_ + (queues_.empty() ? 0 : 1);
  urgent_.set();
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
    if (!queues_.empty()) {
      // What cannot be written is said in the log itself, once that works again, and in the node's.
      ++batches_begun_;
      [[maybe_unused]] const auto written = co_await logs_.write(reactor_, take());
      ++batches_ended_;
      written_.notify();
    }
    if (stopping_) {
      if (queues_.empty()) {
        co_return {};
      }
      stop();
    }
  }
}

void ShardLog::stop() noexcept {
  stopping_ = true;
  ready_.set();
  urgent_.set();
}

}  // namespace selvedge::logs
