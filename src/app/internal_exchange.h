#pragma once

// A request that the node makes to an app by itself: of a job, or of a health check.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "app/http_check.h"
#include "app/http_exchange.h"
#include "base/clock.h"
#include "base/result.h"
#include "wire/http_message.h"

namespace selvedge::app {

// One shard's thread.
class InternalExchange final : public HttpExchange {
 public:
  // `id`: printable, for log lines.
  InternalExchange(wire::RequestHead request, std::string content, std::string id);

  const wire::RequestHead& request() const noexcept override { return request_; }
  const HttpPeer& peer() const noexcept override { return peer_; }
  std::string_view request_id() const noexcept override { return id_; }
  io::Task<std::size_t> read_body(base::MutableByteSpan buffer) override;
  io::Task<> send_head(wire::ResponseHead head) override;
  io::Task<> write_body(base::ByteSpan bytes) override;
  io::Task<> finish() override;
  io::Task<> tunnel(wire::ResponseHead head, io::Stream& upstream, base::ByteSpan early) override;
  // The node does not leave.
  void on_disconnect(std::move_only_function<void()> /*callback*/) override {}

  // Of the answer; 0 before its head.
  std::uint16_t status() const noexcept { return status_; }
  // The first kCheckedContentBytesMax of it.
  const std::string& content() const noexcept [[clang::lifetimebound]] { return received_; }
  bool finished() const noexcept { return finished_; }

 private:
  wire::RequestHead request_;
  std::string content_;
  std::string id_;
  HttpPeer peer_;
  std::size_t position_ = 0;
  std::uint16_t status_ = 0;
  std::string received_;
  bool finished_ = false;
};

// Asks `ask` (which answers an exchange as HttpHandler::handle does) and looks at the answer. An
// error is one clause on what is wrong ("GET /health answered 500, not 200"); kTimeout: no answer
// in time; other kinds but kInvalid are those of `ask`.
io::Task<> perform_check(io::Reactor& reactor, HttpCheck check, std::string host, std::string id,
                         base::Duration timeout,
                         std::move_only_function<io::Task<>(HttpExchange&)> ask);

}  // namespace selvedge::app
