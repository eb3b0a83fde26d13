#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/wcgi_runner.h"
#include "io/task_scope.h"
#include "wasix/pipe.h"
#include "wasix/process.h"

namespace selvedge::app::internal {

// One request on its way through one instance; destroying it at any point ends the guest.
class WcgiRequest {
 public:
  WcgiRequest(HttpExchange& exchange, const ShardProgram& program, const WcgiLimits& limits,
              WcgiMetrics& metrics, const VersionLog& log, MemoryMeter& memory) noexcept;
  ~WcgiRequest();
  WcgiRequest(const WcgiRequest&) = delete;
  WcgiRequest& operator=(const WcgiRequest&) = delete;

  io::Task<> run(const CgiScript& script);
  // After run(): the program has closed its output, so that its answer is complete, and goes on.
  // The exchange is not used any more.
  bool outlives_its_answer() const noexcept { return request_id_.has_value(); }
  // Until its end, or the time limit of the request.
  io::Task<> outlive();

 private:
  // Content without a declared length is read into memory first; false: it is too long.
  io::Task<bool> buffer_content();
  Result<> start(EnvironmentBlock environment);
  // Content -> standard input, until either side ends.
  io::Task<> feed_input();
  // Standard output -> response.
  io::Task<> relay_output();
  io::Task<> relay_content(base::MutableByteSpan buffer, io::Deadline deadline);
  io::Task<> answer_end();
  io::Task<> end_before_program(io::Deadline deadline);
  std::string_view request_id() const noexcept;
  io::Task<> answer_without_head(io::Deadline deadline);
  io::Task<> answer_timeout();
  io::Task<> answer_input_error();
  io::Task<> answer_malformed(const Error& error);
  void log_line(std::string_view line);
  void tell(std::string_view sentence) const;

  HttpExchange& exchange_;
  const ShardProgram& program_;
  const WcgiLimits& limits_;
  WcgiMetrics& metrics_;
  const VersionLog& log_;
  MemoryMeter& memory_;
  io::Reactor& reactor_;
  std::uint64_t instance_ = 0;
  std::vector<std::byte> buffered_;
  std::size_t logged_bytes_ = 0;
  bool buffered_whole_ = false;
  bool client_gone_ = false;
  std::optional<std::string> request_id_;  // of the exchange that it outlives
  io::Deadline deadline_;
  std::optional<Error> input_error_;
  std::shared_ptr<wasix::PipeWriter> input_;
  std::shared_ptr<wasix::PipeReader> output_;
  std::unique_ptr<wasix::Process> process_;
  std::optional<InstanceMeter> meter_;
  // Last: its task uses the rest.
  io::TaskScope tasks_;
};

}  // namespace selvedge::app::internal
