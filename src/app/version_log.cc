#include "app/version_log.h"

#include <utility>

#include "app/internal/prefetch.h"
#include "base/format.h"
#include "base/log.h"

namespace selvedge::app {
namespace {

// "name=value " if there is one.
std::string label(std::string_view name, std::string_view value) {
  return value.empty() ? std::string() : fmt::format("{}={} ", name, value);
}

}  // namespace

void VersionLog::prefetch() const noexcept {
  internal::prefetch(metrics_.get(), VersionMetrics::kOftenChangedBytes);
  internal::prefetch(channel_.get(), sizeof(logs::ShardLog::Channel));
}

std::uint64_t VersionLog::next_instance() const noexcept {
  return channel_ == nullptr ? 0 : logs::ShardLog::next_instance(*channel_);
}

void VersionLog::add(logs::Stream stream, std::string_view text, std::string_view request_id,
                     std::uint64_t instance, std::optional<logs::RequestSummary> request) const {
  log_->add(channel_, {.time = {},
                       .version = version_,
                       .instance = instance,
                       .stream = stream,
                       .request_id = std::string(request_id),
                       .text = std::string(text.substr(0, logs::kTextBytesMax)),
                       .request = std::move(request)});
}

void VersionLog::output(logs::Stream stream, std::string_view line, std::string_view request_id,
                        std::uint64_t instance) const {
  if (log_ != nullptr) {
    add(stream, line, request_id, instance, std::nullopt);
  } else {
    log::info("{}{}{}: {}", label("request", request_id), label("program", program_),
              logs::to_string(stream), line);
  }
}

void VersionLog::platform(std::string_view sentence, std::string_view request_id,
                          std::uint64_t instance) const {
  if (log_ != nullptr) {
    add(logs::Stream::kPlatform, sentence, request_id, instance, std::nullopt);
    log::warning("{}app={} version={}: {}", label("request", request_id), channel_->app(), version_,
                 sentence);
  } else {
    log::warning("{}{}{}", label("request", request_id), label("program", program_), sentence);
  }
}

void VersionLog::remark(std::string_view sentence, std::string_view request_id) const {
  if (log_ != nullptr) {
    add(logs::Stream::kPlatform, sentence, request_id, 0, std::nullopt);
  }
  log::debug("request={}: {}", request_id, sentence);
}

void VersionLog::request(std::string_view path, logs::RequestSummary summary,
                         std::string_view request_id) const {
  metrics_->count_request(summary.status, summary.duration, summary.bytes);
  if (log_ != nullptr) {
    add(logs::Stream::kRequest, path, request_id, 0, std::move(summary));
  }
}

}  // namespace selvedge::app
