#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "app/http_exchange.h"
#include "gateway/internal/http1_connection.h"
#include "gateway/internal/request_id.h"
#include "io/reactor.h"
#include "io/task.h"
#include "wire/http1_response_writer.h"

namespace selvedge::gateway::internal {

// One request and its response on an HTTP/1 connection. Lives in the connection's task while the
// handler runs. One thread.
class Http1Exchange final : public app::HttpExchange {
 public:
  // How long a peer that has finished writing may wait for the head of its answer. One that is gone
  // looks the same, and answers what is sent to it with a reset.
  static constexpr base::Duration kHalfClosedWaitMax = std::chrono::seconds(10);
  // Larger pieces of content are framed and sent one part after the other.
  static constexpr std::size_t kFrameBytesMax = 64 * 1024;

  explicit Http1Exchange(Http1Connection& connection);
  ~Http1Exchange() override;

  const wire::RequestHead& request() const noexcept override;
  const app::HttpPeer& peer() const noexcept override;
  std::string_view request_id() const noexcept override { return request_id_.text(); }
  io::Task<std::size_t> read_body(base::MutableByteSpan buffer) override;
  io::Task<> send_head(wire::ResponseHead head) override;
  io::Task<> write_body(base::ByteSpan bytes) override;
  io::Task<> finish() override;
  io::Task<> tunnel(wire::ResponseHead head, io::Stream& upstream, base::ByteSpan early) override;
  void on_disconnect(std::move_only_function<void()> callback) override;

  // For the connection, after the handler has returned `result`: answers in its place if it did
  // not, and decides what becomes of the connection.
  Http1Connection::Next conclude(const Result<>& result);
  // The request's content is complete: from now on the peer's going away can be noticed.
  void on_content_end();

 private:
  class PeerWatch final : public io::QueuedWork {
   public:
    explicit PeerWatch(Http1Exchange& exchange) noexcept
        : QueuedWork(&PeerWatch::run), exchange_(exchange) {}

   private:
    static void run(QueuedWork& work) noexcept;
    Http1Exchange& exchange_;
  };

  // A peer that has finished writing: wakes the watch when its connection ends, and gives up on it
  // when it has waited for too long.
  class HalfClosedWatch final : public io::EventObserver, private io::Timer {
   public:
    explicit HalfClosedWatch(Http1Exchange& exchange) noexcept;

   private:
    static void notice(io::EventObserver& observer) noexcept;
    static void expire(io::Timer& timer) noexcept;
    Http1Exchange& exchange_;
  };

  Result<> start_response(const wire::ResponseHead& head, std::uint64_t* content_bytes);
  Result<> finish_now();
  Result<> start_tunnel(wire::ResponseHead head);
  io::Task<> write_parts(base::ByteSpan bytes);
  void answer_error(wire::StatusCode status, std::string_view reason);
  void watch_peer() noexcept;
  void log_access(std::string_view outcome) const;

  Http1Connection& connection_;
  // What a trusted proxy says of it; made when it is asked for.
  mutable std::unique_ptr<const app::HttpPeer> told_peer_;
  RequestId request_id_;
  wire::Http1ResponseWriter writer_;
  wire::StatusCode status_{200};
  std::uint64_t content_bytes_ = 0;
  base::MonotonicTime start_;
  bool finished_ = false;
  std::move_only_function<void()> disconnected_;
  PeerWatch watch_;
  std::optional<HalfClosedWatch> half_closed_;
};

}  // namespace selvedge::gateway::internal
