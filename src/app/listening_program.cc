#include "app/listening_program.h"

#include <algorithm>
#include <utility>

#include "app/internal/exit_description.h"
#include "base/log.h"
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

std::shared_ptr<wasix::Handle> log_lines(const std::string& program, std::string_view stream) {
  return std::make_shared<wasix::LineHandle>([program, stream](std::string_view line) {
    log::info("program={} {}: {}", program, stream, line);
  });
}

}  // namespace

ListeningProgram::ListeningProgram(const ShardProgram& program)
    : program_(program), ended_(program.shard().reactor()), scope_(program.shard().reactor(), 1) {
  ended_.set();
}

ListeningProgram::~ListeningProgram() = default;

Result<> ListeningProgram::start() {
  const ProgramOptions& options = program_.program().options();
  network_ = program_.make_network();
  SELVEDGE_TRY(process_, program_.start({.output = log_lines(options.name, "stdout"),
                                         .error = log_lines(options.name, "stderr"),
                                         .network = network_},
                                        environment_block(with_port(options.environment))));
  ended_.reset();
  scope_.spawn(watch());
  return {};
}

io::Task<> ListeningProgram::watch() {
  auto status = co_await process_->wait();
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
  return network_->connect(*address, deadline);
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
