#pragma once

// One HTTP/1 connection: the loop of requests, and the exchange that a handler sees.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/http_exchange.h"
#include "gateway/internal/input_buffer.h"
#include "gateway/internal/output.h"
#include "gateway/internal/rate_watch.h"
#include "gateway/internal/shard_context.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "wire/http1_request_parser.h"
#include "wire/http1_response_writer.h"

namespace selvedge::gateway::internal {

class Http1Exchange;
class Tunnel;

// One thread. Owns the stream; lives in the task that runs it.
class Http1Connection {
 public:
  // Content that a handler left unread and that is read and dropped to keep the connection.
  static constexpr std::uint64_t kDiscardedBytesMax = 256 * 1024;
  // After the last response of a connection that still receives: how long it is read and dropped,
  // so that a reset does not destroy the response on its way.
  static constexpr base::Duration kLingerMax = std::chrono::seconds(2);

  Http1Connection(ShardContext& context, std::unique_ptr<io::Stream> stream);

  // Serves requests until the connection ends. Errors of the peer are not errors of the task.
  io::Task<> run();

  // Between requests, with nothing received of the next one.
  bool is_idle() const noexcept { return idle_; }
  base::MonotonicTime idle_since() const noexcept { return idle_since_; }
  // Ends an idle connection.
  void close_idle() noexcept {
    idle_ = false;
    stream_->close();
  }
  // The server drains: ends an idle connection at once, if it is its time, a tunnel at its next
  // pause.
  void drain() noexcept;
  // Its place in the server's list.
  std::size_t list_index() const noexcept { return list_index_; }
  void set_list_index(std::size_t index) noexcept { list_index_ = index; }

 private:
  friend class Http1Exchange;
  enum class Next : std::uint8_t { kContinue, kClose };
  enum class Fill : std::uint8_t { kData, kNothing, kEnd, kTimeout, kBroken, kFull };

  // The main loop's steps.
  void begin_request() noexcept;
  bool answer_here();
  void answer_whole(const wire::ResponseHead& head, std::string_view content);
  io::Task<Next> serve_request();
  io::Task<> refuse(wire::HttpRejection rejection);
  Fill try_fill_now();
  base::Duration begin_wait();
  io::Task<> give_up(Fill why);
  io::Task<> end();

  // Reads what is there into input_.
  Fill try_fill();
  // Waits for it, at most for `allowance`. Never kNothing.
  io::Task<Fill> fill(base::Duration allowance);
  // Between requests, with nothing received of the next one.
  bool at_start() const noexcept { return input_.empty() && !in_content_; }
  // The server drains, and does not wait for requests any more.
  bool idle_ends() const noexcept;
  RateWatch& content_watch() noexcept;

  // For the exchange.
  Result<std::optional<std::size_t>> take_content(base::MutableByteSpan buffer);
  io::Task<std::size_t> read_content(base::MutableByteSpan buffer, bool head_sent);
  io::Task<std::size_t> read_content_slowly(base::MutableByteSpan buffer);
  bool may_keep_alive() const noexcept;
  // The response cannot be completed.
  void truncate(bool ends_by_close) noexcept;
  const app::HttpPeer& peer();
  // After a 101 was sent: hands the connection over to the other protocol, for the rest of its
  // life.
  io::Task<> run_tunnel(io::Stream& upstream, base::ByteSpan early);

  ShardContext& context_;
  std::unique_ptr<io::Stream> stream_;
  InputBuffer input_;
  wire::Http1RequestParser parser_;
  Output output_;
  Http1Exchange* exchange_ = nullptr;  // while a handler runs
  Tunnel* tunnel_ = nullptr;           // while one runs
  std::optional<app::HttpPeer> peer_;
  std::optional<wire::HttpRejection> content_rejection_;
  std::optional<RateWatch> content_watch_;
  std::optional<base::MonotonicTime> head_deadline_;
  std::optional<base::MonotonicTime> wait_start_;  // of a wait for content
  std::uint64_t discarded_bytes_ = 0;
  base::MonotonicTime idle_since_;
  std::size_t list_index_ = 0;
  bool idle_ = false;
  bool has_served_ = false;
  bool in_content_ = false;     // from a head until its content's end was read
  bool continue_sent_ = false;  // or not asked for
  bool close_after_ = false;    // the response said so
  bool aborted_ = false;        // only a reset can tell the peer that the content is truncated
};

}  // namespace selvedge::gateway::internal
