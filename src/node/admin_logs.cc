// The admin API's view of an app's log: entries as JSON values, one a line, and as they come when
// the client follows.

#include <charconv>

#include "app/json_reader.h"
#include "base/format.h"
#include "logs/log_time.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"
#include "node/node_logs.h"
#include "wire/request_target.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kEntriesMax = 100'000;

struct LogRequest {
  logs::LogQuery query;
  std::optional<std::size_t> limit;
  bool follow = false;
};

Result<std::uint64_t> parse_number(std::string_view name, std::string_view text,
                                   std::uint64_t max) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value > max) {
    return fail_format(ErrorKind::kInvalid, "{} must be a number of at most {}", name, max);
  }
  return value;
}

Result<> set_parameter(LogRequest& request, std::string_view name, const std::string& value) {
  if (name == "from") {
    SELVEDGE_TRY(request.query.from, logs::parse_time(value));
  } else if (name == "until") {
    SELVEDGE_TRY(request.query.until, logs::parse_time(value));
  } else if (name == "version") {
    SELVEDGE_TRY(request.query.version, parse_number(name, value, app::kVersionMax));
  } else if (name == "limit") {
    SELVEDGE_TRY(request.limit, parse_number(name, value, kEntriesMax));
  } else if (name == "request") {
    request.query.request_id = value;
  } else if (name == "stream") {
    request.query.stream = logs::parse_stream(value);
    if (!request.query.stream.has_value()) {
      return fail_format(ErrorKind::kInvalid,
                         "\"{}\" is no stream: stdout, stderr, request or platform", value);
    }
  } else if (name == "follow") {
    if (value != "1" && value != "0") {
      return fail(ErrorKind::kInvalid, "follow must be 1 or 0");
    }
    request.follow = value == "1";
  } else {
    return fail_format(ErrorKind::kInvalid,
                       "{} is no parameter of a log: from, until, version, stream, request, limit "
                       "and follow are",
                       name);
  }
  return {};
}

Result<LogRequest> parse_query(std::string_view query) {
  LogRequest request;
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      return fail_format(ErrorKind::kInvalid, "\"{}\" is not NAME=VALUE", part);
    }
    SELVEDGE_TRY(const std::string value, wire::percent_decode(part.substr(equals + 1)));
    SELVEDGE_TRY_VOID(set_parameter(request, part.substr(0, equals), value));
  }
  if (request.follow && request.query.until.has_value()) {
    return fail(ErrorKind::kInvalid, "a log is followed, or read until some time: not both");
  }
  return request;
}

nlohmann::json entry_json(const logs::Entry& entry) {
  nlohmann::json value{{"sequence", entry.sequence},
                       {"time", logs::format_time(entry.time)},
                       {"shard", entry.shard},
                       {"stream", logs::to_string(entry.stream)}};
  if (entry.version != 0) {
    value["version"] = entry.version;
  }
  if (entry.instance != 0) {
    value["instance"] = entry.instance;
  }
  if (!entry.request_id.empty()) {
    value["request"] = entry.request_id;
  }
  if (!entry.request.has_value()) {
    value["text"] = entry.text;
    return value;
  }
  value["path"] = entry.text;
  value["method"] = entry.request->method;
  value["status"] = entry.request->status;
  value["bytes"] = entry.request->bytes;
  value["microseconds"] =
      std::chrono::duration_cast<std::chrono::microseconds>(entry.request->duration).count();
  value["cold_start"] = entry.request->cold_start;
  value["complete"] = entry.request->complete;
  return value;
}

std::string to_lines(const logs::LogBatch& batch) {
  std::string text;
  if (batch.missed > 0) {
    text += app::json_text({{"missed", batch.missed}}) + "\n";
  }
  for (const logs::Entry& entry : batch.entries) {
    text += app::json_text(entry_json(entry)) + "\n";
  }
  return text;
}

// Sets an event when the client leaves, for as long as it lives.
class Departure {
 public:
  Departure(app::HttpExchange& exchange, io::Event& event) : exchange_(exchange) {
    exchange_.on_disconnect([this, &event] {
      left_ = true;
      event.set();
    });
  }
  Departure(const Departure&) = delete;
  Departure& operator=(const Departure&) = delete;
  ~Departure() { exchange_.on_disconnect({}); }

  bool left() const noexcept { return left_; }

 private:
  app::HttpExchange& exchange_;
  bool left_ = false;
};

io::Task<> send_log(app::HttpExchange& exchange, NodeLogs& logs,
                    std::shared_ptr<logs::LogReader> reader,
                    std::unique_ptr<NodeLogs::Follower> follower) {
  io::Reactor& reactor = follower->changed().reactor();
  const Departure departure(exchange, follower->changed());
  while (!departure.left()) {
    follower->changed().reset();
    SELVEDGE_CO_TRY(const auto batch, co_await logs.logs().read(reactor, reader));
    if (const std::string lines = to_lines(batch); !lines.empty()) {
      SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(lines)));
    }
    if (batch.at_end && logs.stopping()) {
      break;
    }
    if (batch.at_end) {
      co_await follower->changed().wait();
    }
  }
  co_return {};
}

io::Task<> send_log_once(app::HttpExchange& exchange, io::Reactor& reactor, NodeLogs& logs,
                         std::shared_ptr<logs::LogReader> reader) {
  for (bool at_end = false; !at_end;) {
    SELVEDGE_CO_TRY(const auto batch, co_await logs.logs().read(reactor, reader));
    if (const std::string lines = to_lines(batch); !lines.empty()) {
      SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(lines)));
    }
    at_end = batch.at_end;
  }
  co_return {};
}

}  // namespace

// An app is known by its versions, or, when the store cannot be asked, by its log.
io::Task<> AdminApi::check_has_log(std::string app) {
  auto versions = co_await in_store([&store = options_.store, app] { return store.versions(app); });
  if (versions.has_value()
          ? !versions->empty()
          : (co_await options_.logs->logs().contains(options_.reactor, app)).value_or(false)) {
    co_return {};
  }
  if (!versions.has_value()) {
    co_return fail(std::move(versions).error());
  }
  co_return fail_format(ErrorKind::kNotFound, "there is no app {}", app);
}

io::Task<> AdminApi::read_log(app::HttpExchange& exchange, std::string app) {
  if (options_.logs == nullptr) {
    co_return fail(ErrorKind::kUnsupported, "this node keeps no logs of apps");
  }
  NodeLogs& logs = *options_.logs;
  SELVEDGE_CO_TRY(LogRequest request, parse_query(exchange.request().target().query()));
  SELVEDGE_CO_TRY_VOID(co_await check_has_log(app));
  std::unique_ptr<NodeLogs::Follower> follower;
  if (request.follow) {
    SELVEDGE_CO_TRY(follower, NodeLogs::Follower::create(logs, app));
  }
  SELVEDGE_CO_TRY_VOID(co_await logs.flush(app));
  SELVEDGE_CO_TRY(auto reader, co_await logs.logs().open(options_.reactor, app,
                                                         std::move(request.query), request.limit));
  wire::ResponseHead head;
  head.headers.add("content-type", "application/x-ndjson");
  SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
  auto sent = follower != nullptr
                  ? co_await send_log(exchange, logs, std::move(reader), std::move(follower))
                  : co_await send_log_once(exchange, options_.reactor, logs, std::move(reader));
  if (!sent.has_value()) {
    const std::string line = app::json_text(error_json(sent.error())) + "\n";
    SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(base::as_bytes(line)));
  }
  co_return co_await exchange.finish();
}

}  // namespace selvedge::node
