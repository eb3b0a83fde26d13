#include "node/successor.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/errno_error.h"
#include "base/format.h"
#include "io/standard_stream.h"

namespace selvedge::node {
namespace {

constexpr std::string_view kReady = "ready";
constexpr std::size_t kMessageBytesMax = 4096;
// Of this process: not the successor's.
constexpr std::array<std::string_view, 6> kOwnVariables{
    "LISTEN_PID=",   "LISTEN_FDS=",      "LISTEN_FDNAMES=",
    "WATCHDOG_PID=", "SELVEDGE_PASSED=", "SELVEDGE_PASSED_PLAN="};

std::vector<std::string> environment_with(const std::string& names, const std::string& plan) {
  std::vector<std::string> made;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (std::ranges::none_of(kOwnVariables,
                             [text](std::string_view own) { return text.starts_with(own); })) {
      made.emplace_back(text);
    }
  }
  made.push_back(fmt::format("{}={}", kPassedNamesVariable, names));
  made.push_back(fmt::format("{}={}", kPassedPlanVariable, plan));
  return made;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> made;
  made.reserve(texts.size() + 1);
  for (std::string& text : texts) {
    made.push_back(text.data());
  }
  made.push_back(nullptr);
  return made;
}

// The descriptors of a process that is about to be started, from 3 on.
class PassedFiles {
 public:
  // `count`: how many there will be.
  explicit PassedFiles(std::size_t count) noexcept
      : free_from_(PassedDescriptors::kFirst + static_cast<int>(count)) {
    ::posix_spawn_file_actions_init(&actions_);
  }
  ~PassedFiles() { ::posix_spawn_file_actions_destroy(&actions_); }
  PassedFiles(const PassedFiles&) = delete;
  PassedFiles& operator=(const PassedFiles&) = delete;

  Result<> add(int fd, std::string_view name) {
    // First out of the way of the numbers that are given out.
    base::UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, free_from_));
    const int number = PassedDescriptors::kFirst + static_cast<int>(copies_.size());
    if (!copy || ::posix_spawn_file_actions_adddup2(&actions_, copy.get(), number) != 0) {
      return fail(base::errno_error(errno, "pass a descriptor on"));
    }
    copies_.push_back(std::move(copy));
    names_ += fmt::format("{}{}", names_.empty() ? "" : ",", name);
    return {};
  }
  const std::string& names() const noexcept { return names_; }
  const posix_spawn_file_actions_t* actions() const noexcept { return &actions_; }

 private:
  int free_from_;
  posix_spawn_file_actions_t actions_{};
  std::vector<base::UniqueFd> copies_;
  std::string names_;
};

Result<pid_t> spawn(const ProgramCommand& command, const PassedFiles& files,
                    std::vector<std::string> environment) {
  posix_spawnattr_t attributes{};
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &broken_pipe);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> arguments = command.arguments;
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, command.path.c_str(), files.actions(), &attributes,
                                  pointers(arguments).data(), pointers(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return fail(base::errno_error(error, command.path));
  }
  return pid;
}

void tell(const base::UniqueFd& channel, std::string_view line) {
  if (channel) {
    [[maybe_unused]] const auto written = ::write(channel.get(), line.data(), line.size());
  }
}

}  // namespace

Result<ProgramCommand> ProgramCommand::of_this_process() {
  std::error_code error;
  ProgramCommand made{.path = std::filesystem::read_symlink("/proc/self/exe", error).string(),
                      .arguments = {}};
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  for (std::string argument; std::getline(file, argument, '\0');) {
    made.arguments.push_back(std::move(argument));
  }
  if (error || made.arguments.empty()) {
    return fail(ErrorKind::kInternal,
                "this process does not know its own program: is /proc mounted?");
  }
  return made;
}

Result<std::unique_ptr<Successor>> Successor::start(io::KernelReactor& reactor,
                                                    const ProgramCommand& command,
                                                    const Passed& passed) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail(base::errno_error(errno, "make a pipe"));
  }
  base::UniqueFd ours(ends[0]);
  const base::UniqueFd theirs(ends[1]);
  PassedFiles files(passed.sockets.http.size() + 4);
  for (const base::UniqueFd& socket : passed.sockets.http) {
    SELVEDGE_TRY_VOID(files.add(socket.get(), passed.sockets.http_passed ? "passed-http" : "http"));
  }
  SELVEDGE_TRY_VOID(files.add(passed.sockets.admin.get(),
                              passed.sockets.admin_passed ? "passed-admin" : "admin"));
  if (passed.sockets.admin_network) {
    SELVEDGE_TRY_VOID(files.add(passed.sockets.admin_network.get(), "admin-network"));
  }
  SELVEDGE_TRY_VOID(files.add(passed.lock, "lock"));
  SELVEDGE_TRY_VOID(files.add(theirs.get(), "channel"));
  SELVEDGE_TRY(auto stream,
               io::open_standard_stream(reactor, ours.get(), io::StandardDirection::kRead));
  SELVEDGE_TRY(const pid_t pid,
               spawn(command, files, environment_with(files.names(), passed.plan)));
  return std::make_unique<Successor>(Private(), pid, std::move(ours), std::move(stream));
}

Successor::~Successor() {
  if (!ready_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

io::Task<> Successor::ready(io::Deadline deadline) {
  std::string said;
  std::array<std::byte, 512> buffer{};
  while (!said.ends_with('\n') && said.size() < kMessageBytesMax) {
    SELVEDGE_CO_TRY(const std::size_t count, co_await stream_->read(buffer, deadline));
    if (count == 0) {
      co_return fail(ErrorKind::kInternal, "it ended before it served; its log says why");
    }
    said += base::as_text(std::span(buffer).first(count));
  }
  said.pop_back();
  if (said != kReady) {
    co_return fail(ErrorKind::kInternal, std::move(said));
  }
  ready_ = true;
  co_return {};
}

void tell_ready(base::UniqueFd channel) { tell(channel, fmt::format("{}\n", kReady)); }

void tell_failed(base::UniqueFd channel, const Error& error) {
  std::string line = error.message().substr(0, kMessageBytesMax - 1);
  std::ranges::replace(line, '\n', ' ');
  tell(channel, line + "\n");
}

}  // namespace selvedge::node
