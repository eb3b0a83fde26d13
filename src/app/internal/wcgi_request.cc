#include "app/internal/wcgi_request.h"

#include <array>

#include "app/internal/exit_description.h"
#include "app/internal/plain_answer.h"
#include "base/format.h"
#include "wasix/stdio.h"

namespace selvedge::app::internal {
namespace {

// One read of content or output.
constexpr std::size_t kChunkBytes = 16'384;

struct Chunk {
  std::unique_ptr<std::byte[]> bytes = std::make_unique_for_overwrite<std::byte[]>(kChunkBytes);
  base::MutableByteSpan span() noexcept { return {bytes.get(), kChunkBytes}; }
};

}  // namespace

WcgiRequest::WcgiRequest(HttpExchange& exchange, const ShardProgram& program,
                         const WcgiLimits& limits, WcgiMetrics& metrics, const VersionLog& log,
                         MemoryMeter& memory) noexcept
    : exchange_(exchange),
      program_(program),
      limits_(limits),
      metrics_(metrics),
      log_(log),
      memory_(memory),
      reactor_(program.shard().reactor()),
      deadline_(io::Deadline::never()),
      tasks_(reactor_, 1) {}

WcgiRequest::~WcgiRequest() {
  if (!outlives_its_answer()) {
    exchange_.on_disconnect({});
  }
}

std::string_view WcgiRequest::request_id() const noexcept {
  return request_id_ ? *request_id_ : exchange_.request_id();
}

io::Task<> WcgiRequest::run(const CgiScript& script) {
  const wire::RequestHead& request = exchange_.request();
  std::optional<std::uint64_t> length = request.content_length();
  if (request.is_chunked()) {
    auto fits = co_await buffer_content();
    if (!fits.has_value()) {
      input_error_ = std::move(fits).error();
      co_return co_await answer_input_error();
    }
    if (!*fits) {
      co_return co_await answer_plainly(
          exchange_, wire::StatusCode(411),
          "The content is too long to be sent without Content-Length.");
    }
    length = buffered_.size();
  }
  auto environment =
      cgi_environment(request, exchange_.peer(), length, script, program_.environment());
  if (!environment.has_value()) {
    co_return co_await answer_plainly(exchange_, wire::StatusCode(400), "The path is not valid.");
  }
  if (auto started = start(*std::move(environment)); !started.has_value()) {
    log_.metrics()->count_limit(Limit::kInstances);
    tell(fmt::format("cannot start: {}", started.error().message()));
    co_return co_await answer_plainly(exchange_, wire::StatusCode(503),
                                      "The application cannot start.");
  }
  exchange_.on_disconnect([this] {
    client_gone_ = true;
    process_->kill();
  });
  if (length.value_or(0) > 0) {
    tasks_.spawn(feed_input());
  } else if (input_ != nullptr) {
    input_->close();
  }
  co_return co_await relay_output();
}

io::Task<bool> WcgiRequest::buffer_content() {
  const std::size_t bytes_max = limits_.buffered_content_bytes_max;
  for (;;) {
    const std::size_t old_size = buffered_.size();
    buffered_.resize(old_size + kChunkBytes);
    auto count = co_await exchange_.read_body(base::MutableByteSpan(buffered_).subspan(old_size));
    buffered_.resize(old_size + count.value_or(0));
    if (!count.has_value()) {
      co_return fail(std::move(count).error());
    }
    if (*count == 0) {
      buffered_whole_ = true;
      co_return true;
    }
    if (buffered_.size() > bytes_max) {
      co_return false;
    }
  }
}

Result<> WcgiRequest::start(EnvironmentBlock environment) {
  RunAttachments streams;
  streams.memory = &memory_;
  if (exchange_.request().has_content()) {
    wasix::PipeEnds input = wasix::make_pipe(reactor_);
    streams.input = std::move(input.reader);
    input_ = std::move(input.writer);
  }
  wasix::PipeEnds output = wasix::make_pipe(reactor_, {.counts_as_output = true});
  streams.output = std::move(output.writer);
  output_ = std::move(output.reader);
  streams.error =
      std::make_shared<wasix::LineHandle>([this](std::string_view line) { log_line(line); });
  SELVEDGE_TRY(process_, program_.start(std::move(streams), std::move(environment)));
  instance_ = log_.next_instance();
  meter_.emplace(*log_.metrics(), *process_);
  return {};
}

io::Task<> WcgiRequest::feed_input() {
  if (buffered_whole_) {
    // An error means that the guest does not want the rest.
    [[maybe_unused]] const auto written = co_await input_->write_all(buffered_);
    input_->close();
    co_return {};
  }
  Chunk chunk;
  for (;;) {
    auto count = co_await exchange_.read_body(chunk.span());
    if (!count.has_value()) {
      // Half of the content must not look like all of it.
      input_error_ = std::move(count).error();
      process_->kill();
      co_return {};
    }
    if (*count == 0) {
      input_->close();
      co_return {};
    }
    // No deadline of its own: the guest ends at its time limit, and its end of the pipe with it.
    const auto written = co_await input_->write_all(chunk.span().first(*count));
    if (!written.has_value()) {
      co_return {};  // the guest has closed its input; the gateway discards the rest
    }
  }
}

io::Task<> WcgiRequest::relay_output() {
  const io::Deadline deadline = reactor_.deadline_after(limits_.request_time_max);
  const io::Deadline head_deadline =
      reactor_.deadline_after(limits_.head_time_max).or_sooner(deadline);
  Chunk chunk;
  wire::CgiResponseParser parser(limits_.head);
  std::optional<base::ByteSpan> content;
  while (!content.has_value()) {
    const auto count = co_await output_->read(chunk.span(), head_deadline);
    if (!count.has_value()) {
      co_return co_await answer_timeout();
    }
    if (*count == 0) {
      co_return co_await answer_without_head(head_deadline);
    }
    auto fed = parser.feed(chunk.span().first(*count));
    if (!fed.has_value()) {
      co_return co_await answer_malformed(fed.error());
    }
    content = *fed;
  }
  SELVEDGE_CO_TRY_VOID(co_await exchange_.send_head(std::move(parser.head())));
  if (!content->empty()) {
    SELVEDGE_CO_TRY_VOID(co_await exchange_.write_body(*content));
  }
  co_return co_await relay_content(chunk.span(), deadline);
}

io::Task<> WcgiRequest::relay_content(base::MutableByteSpan buffer, io::Deadline deadline) {
  for (;;) {
    auto count = co_await output_->read(buffer, deadline);
    if (!count.has_value()) {
      ++metrics_.timed_out;
      log_.metrics()->count_limit(Limit::kRequestTime);
      tell("the time limit ended a response");
      co_return fail(std::move(count).error());
    }
    if (*count == 0) {
      break;
    }
    SELVEDGE_CO_TRY_VOID(co_await exchange_.write_body(buffer.first(*count)));
  }
  if (process_->running()) {
    co_return co_await end_before_program(deadline);
  }
  co_return co_await answer_end();
}

// As servers do whose CGI programs are other processes: the end of the output is that of the
// answer.
io::Task<> WcgiRequest::end_before_program(io::Deadline deadline) {
  SELVEDGE_CO_TRY_VOID(co_await exchange_.finish());
  deadline_ = deadline;
  if (!tasks_.empty()) {
    // It still reads what the client sends.
    co_return co_await outlive();
  }
  exchange_.on_disconnect({});
  request_id_.emplace(exchange_.request_id());
  co_return {};
}

io::Task<> WcgiRequest::outlive() {
  const auto status = co_await io::with_deadline(process_->wait(), deadline_);
  if (!status.has_value()) {
    process_->kill();
    ++metrics_.timed_out;
    log_.metrics()->count_limit(Limit::kRequestTime);
    tell("the time limit ended a program that had closed its output");
  } else if (!status->success() && !client_gone_) {
    count_end(*log_.metrics(), *status);
    tell(describe_exit(*status));
  }
  co_return {};
}

// The program has ended, and its output with it.
io::Task<> WcgiRequest::answer_end() {
  const wasix::ExitStatus& status = *process_->status();
  if (client_gone_) {
    ++metrics_.abandoned;
    co_return fail(ErrorKind::kDisconnected, "the client left");
  }
  if (!status.success()) {
    count_end(*log_.metrics(), status);
    tell(describe_exit(status));
  }
  if (status.kind != wasix::ExitStatus::Kind::kExited) {
    ++metrics_.failed_after_head;
    co_return fail(ErrorKind::kDisconnected, "the application ended in the middle of its answer");
  }
  co_return co_await exchange_.finish();
}

// The output has ended without a complete head: find out why, and say so.
io::Task<> WcgiRequest::answer_without_head(io::Deadline deadline) {
  if (process_->running() && !client_gone_ && !input_error_) {
    process_->kill();
    ++metrics_.failed_before_head;
    tell("closed its output before it sent a complete head");
    co_return co_await answer_plainly(exchange_, wire::StatusCode(502),
                                      "The application ended without a valid answer.");
  }
  const auto waited = co_await io::with_deadline(process_->wait(), deadline);
  if (!waited.has_value()) {
    co_return co_await answer_timeout();
  }
  const wasix::ExitStatus& status = *waited;
  if (client_gone_) {
    ++metrics_.abandoned;
    co_return fail(ErrorKind::kDisconnected, "the client left");
  }
  if (input_error_.has_value()) {
    co_return co_await answer_input_error();
  }
  count_end(*log_.metrics(), status);
  tell(describe_exit(status) + " before it sent a complete head");
  if (status.timed_out) {
    ++metrics_.timed_out;
    co_return co_await answer_plainly(exchange_, wire::StatusCode(504),
                                      "The application did not answer in time.");
  }
  if (status.kind == wasix::ExitStatus::Kind::kFailed) {
    ++metrics_.overloaded;
    co_return co_await answer_plainly(exchange_, wire::StatusCode(503), "No instance is free.");
  }
  ++metrics_.failed_before_head;
  co_return co_await answer_plainly(exchange_, wire::StatusCode(502),
                                    "The application ended without a valid answer.");
}

io::Task<> WcgiRequest::answer_timeout() {
  process_->kill();
  ++metrics_.timed_out;
  log_.metrics()->count_limit(Limit::kRequestTime);
  tell("no head within the time limit");
  co_return co_await answer_plainly(exchange_, wire::StatusCode(504),
                                    "The application did not answer in time.");
}

io::Task<> WcgiRequest::answer_input_error() {
  return answer_broken_content(exchange_, *std::exchange(input_error_, std::nullopt),
                               metrics_.abandoned);
}

io::Task<> WcgiRequest::answer_malformed(const Error& error) {
  process_->kill();
  ++metrics_.failed_before_head;
  tell(fmt::format("malformed answer: {}", error.message()));
  co_return co_await answer_plainly(exchange_, wire::StatusCode(502),
                                    "The application sent a malformed answer.");
}

void WcgiRequest::log_line(std::string_view line) {
  if (logged_bytes_ > limits_.log_bytes_max) {
    return;
  }
  logged_bytes_ += line.size() + 1;
  if (logged_bytes_ > limits_.log_bytes_max) {
    tell(fmt::format("more than {} bytes of standard error; the rest is dropped",
                     limits_.log_bytes_max));
    return;
  }
  log_.output(logs::Stream::kStderr, line, request_id(), instance_);
}

void WcgiRequest::tell(std::string_view sentence) const {
  log_.platform(sentence, request_id(), instance_);
}

}  // namespace selvedge::app::internal
