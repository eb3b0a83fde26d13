#include "app/listening_program.h"

#include <algorithm>
#include <utility>

#include "app/internal/exit_description.h"
#include "wasix/stdio.h"

namespace selvedge::app {
namespace {

Environment with_port(const Environment& environment) {
  Environment made = environment;
  if (std::ranges::none_of(made, [](const auto& entry) { return entry.first == "PORT"; })) {
    made.emplace_back("PORT", kDefaultPort);
  }
  return made;
}

std::shared_ptr<wasix::Handle> log_lines(const VersionLog& log, logs::Stream stream,
                                         std::uint64_t instance) {
  return std::make_shared<wasix::LineHandle>(
      [log, stream, instance](std::string_view line) { log.output(stream, line, {}, instance); });
}

}  // namespace

ListeningProgram::ListeningProgram(const ShardProgram& program, std::optional<VersionLog> log)
    : program_(program),
      log_(log.has_value() ? *std::move(log) : VersionLog(program.program().options().name)),
      memory_(*log_.metrics()),
      ended_(program.shard().reactor()),
      scope_(program.shard().reactor(), 1) {
  ended_.set();
}

ListeningProgram::~ListeningProgram() = default;

Result<> ListeningProgram::start() {
  const ProgramOptions& options = program_.program().options();
  network_ = program_.make_network();
  meter_.reset();
  const std::uint64_t instance = log_.next_instance();
  SELVEDGE_TRY(process_, program_.start({.output = log_lines(log_, logs::Stream::kStdout, instance),
                                         .error = log_lines(log_, logs::Stream::kStderr, instance),
                                         .network = network_,
                                         .memory = &memory_},
                                        environment_block(with_port(options.environment))));
  meter_.emplace(*log_.metrics(), *process_);
  started_ = program_.shard().reactor().now();
  ended_.reset();
  scope_.spawn(watch());
  return {};
}

io::Task<> ListeningProgram::watch() {
  auto status = co_await process_->wait();
  if (status.has_value()) {
    count_end(*log_.metrics(), *status);
  }
  meter_.reset();
  end_reason_ = status.has_value() ? internal::describe_exit(*status) : status.error().message();
  ended_.set();
  co_return {};
}

io::Task<std::unique_ptr<io::Stream>> ListeningProgram::connect(io::Deadline deadline) {
  using Connection = io::Task<std::unique_ptr<io::Stream>>;
  if (ended_.is_set()) {
    return Connection::ready(fail(ErrorKind::kDisconnected, "the program has ended"));
  }
  const auto address = network_->lowest_tcp_listener();
  if (!address) {
    return Connection::ready(fail(ErrorKind::kDisconnected, "the program does not listen yet"));
  }
  if (started_.has_value()) {
    log_.metrics()->observe_start(program_.shard().reactor().now() -
                                  *std::exchange(started_, std::nullopt));
  }
  return network_->connect(*address, deadline);
}

void ListeningProgram::sample() noexcept {
  if (meter_.has_value()) {
    meter_->sample();
  }
}

void ListeningProgram::request_stop() noexcept {
  if (process_ != nullptr) {
    process_->signal(wasix::Signal::kTerm);
  }
}

void ListeningProgram::kill() noexcept {
  if (process_ != nullptr) {
    process_->kill(wasix::Signal::kKill);
  }
}

io::Task<> ListeningProgram::close() {
  kill();
  co_await ended_.wait();
  co_return co_await scope_.close();
}

}  // namespace selvedge::app
