#pragma once

// Passes an exchange on, and remembers what was answered.

#include <cstdint>
#include <functional>

#include "app/http_exchange.h"
#include "wire/http_message.h"

namespace selvedge::app::internal {

class RecordedExchange final : public HttpExchange {
 public:
  // `exchange` outlives this.
  explicit RecordedExchange(HttpExchange& exchange [[clang::lifetimebound]]) noexcept
      : exchange_(exchange) {}

  const wire::RequestHead& request() const noexcept override { return exchange_.request(); }
  const HttpPeer& peer() const noexcept override { return exchange_.peer(); }
  std::string_view request_id() const noexcept override { return exchange_.request_id(); }
  io::Task<std::size_t> read_body(base::MutableByteSpan buffer) override {
    return exchange_.read_body(buffer);
  }
  io::Task<> send_head(wire::ResponseHead head) override {
    const auto status = static_cast<std::uint16_t>(head.status.value());
    auto sent = co_await exchange_.send_head(std::move(head));
    head_sent_ = exchange_.head_sent();
    status_ = head_sent_ ? status : status_;
    co_return sent;
  }
  io::Task<> write_body(base::ByteSpan bytes) override {
    bytes_ += bytes.size();
    return exchange_.write_body(bytes);
  }
  io::Task<> finish() override {
    complete_ = true;
    return exchange_.finish();
  }
  io::Task<> tunnel(wire::ResponseHead head, io::Stream& upstream, base::ByteSpan early) override {
    const auto status = static_cast<std::uint16_t>(head.status.value());
    auto done = co_await exchange_.tunnel(std::move(head), upstream, early);
    head_sent_ = exchange_.head_sent();
    status_ = head_sent_ || done.has_value() ? status : status_;
    complete_ = done.has_value();
    co_return done;
  }
  void on_disconnect(std::move_only_function<void()> callback) override {
    exchange_.on_disconnect(std::move(callback));
  }

  // 0: none yet.
  std::uint16_t status() const noexcept { return status_; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  bool complete() const noexcept { return complete_; }

 private:
  HttpExchange& exchange_;
  std::uint16_t status_ = 0;
  std::uint64_t bytes_ = 0;
  bool complete_ = false;
};

}  // namespace selvedge::app::internal
