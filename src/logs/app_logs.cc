#include "logs/app_logs.h"

#include <utility>

#include "base/log.h"

namespace selvedge::logs {

Result<> AppLogs::write_now(std::span<AppRecords> batches) {
  Result<> written;
  for (AppRecords& batch : batches) {
    auto appended = files_.append(batch.app, batch.records);
    if (!appended.has_value()) {
      written = std::move(appended);
    }
  }
  if (failing_.exchange(!written.has_value()) != !written.has_value()) {
    if (written.has_value()) {
      log::info("logs of apps are written again");
    } else {
      log::error("logs of apps cannot be written, entries are lost: {}", written.error().message());
    }
  }
  if (listener_) {
    listener_(batches);
  }
  return written;
}

io::Task<> AppLogs::write(io::Reactor& reactor, std::vector<AppRecords> batches) {
  return writer_.run(reactor, [this, batches = std::move(batches)]() mutable -> Result<> {
    return write_now(batches);
  });
}

io::Task<> AppLogs::remove(io::Reactor& reactor, std::string app) {
  return writer_.run(reactor,
                     [this, app = std::move(app)]() -> Result<> { return files_.remove(app); });
}

io::Task<std::vector<std::string>> AppLogs::apps(io::Reactor& reactor) {
  return readers_.run(reactor,
                      [this]() -> Result<std::vector<std::string>> { return files_.apps(); });
}

io::Task<bool> AppLogs::contains(io::Reactor& reactor, std::string app) {
  return readers_.run(
      reactor, [this, app = std::move(app)]() -> Result<bool> { return files_.contains(app); });
}

io::Task<std::shared_ptr<LogReader>> AppLogs::open(io::Reactor& reactor, const std::string& app,
                                                   LogQuery query,
                                                   std::optional<std::size_t> count) {
  return readers_.run(
      reactor,
      [reader = std::make_shared<LogReader>(files_.folder_of(app), std::move(query)),
       count]() -> Result<std::shared_ptr<LogReader>> {
        if (count.has_value()) {
          SELVEDGE_TRY_VOID(reader->seek_last(*count));
        }
        return reader;
      });
}

io::Task<LogBatch> AppLogs::read(io::Reactor& reactor, std::shared_ptr<LogReader> reader) {
  return readers_.run(
      reactor, [reader = std::move(reader)]() -> Result<LogBatch> { return reader->read(); });
}

}  // namespace selvedge::logs
