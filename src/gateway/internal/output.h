#pragma once

// The sending side of a connection: one buffer and at most one task that waits for the peer.
// Whatever is appended within a turn of the loop leaves in one system call: a small response is
// one write although its head, content and end are produced by separate calls.

#include <cstddef>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "gateway/http_server.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/task_scope.h"
#include "wire/http1_response_writer.h"

namespace selvedge::gateway::internal {

// One thread. Tasks may be destroyed while they wait: bytes are never lost or sent twice.
class Output {
 public:
  // A writer waits while more than this waits for the peer, until half of it is left.
  static constexpr std::size_t kHighWaterBytes = 64 * 1024;
  // Content up to this size is copied behind what waits; larger content is sent from where it is.
  static constexpr std::size_t kCopiedBytesMax = 4 * 1024;
  // Buffers that grew beyond this are given back once they are empty.
  static constexpr std::size_t kKeptBytesMax = 8 * 1024;
  static constexpr std::size_t kTasksMax = 2;  // the sender, and one that is just ending

  Output(io::Reactor& reactor, io::Stream& stream, const MinimumRate& rate,
         base::Counter& bytes_sent);

  // Append here, then call flush_soon() or flush().
  std::string& buffer() noexcept [[clang::lifetimebound]] { return buffer_; }
  bool empty() const noexcept { return buffer_.empty(); }
  bool failed() const noexcept { return error_.has_value(); }

  // Sends what is buffered in this turn, once the running task has suspended.
  void flush_soon() noexcept;
  // Sends now; completes when the kernel has everything. kDisconnected, kTimeout (too slow).
  io::Task<> flush();
  // Sends a piece of content after what is buffered, and completes when less than kHighWaterBytes
  // wait. frame.data need only be valid during the call itself.
  io::Task<> write(const wire::ContentFrame& frame);

 private:
  class SoonWork final : public io::QueuedWork {
   public:
    explicit SoonWork(Output& output) noexcept : QueuedWork(&SoonWork::run), output_(output) {}

   private:
    static void run(QueuedWork& work) noexcept;
    Output& output_;
  };

  // One attempt to send the buffer and then `frame`; appends to the buffer what of the frame did
  // not go.
  void attempt(const wire::ContentFrame& frame = {});
  void start_sender();
  io::Task<> send_rest();
  io::Task<> wait_for_room(std::size_t bytes_left_max);
  Result<> check() const;

  io::Stream& stream_;
  MinimumRate rate_;
  base::Counter& bytes_sent_;
  std::string buffer_;
  std::optional<Error> error_;
  bool sending_ = false;  // send_rest runs
  io::Event progress_;
  SoonWork soon_;
  io::TaskScope scope_;  // last: its task uses the rest
};

}  // namespace selvedge::gateway::internal
