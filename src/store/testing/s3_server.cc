#include "store/testing/s3_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <vector>

#include "base/unique_fd.h"
#include "store/testing/loopback.h"

namespace selvedge::store::testing {
namespace {

constexpr int kStartsMax = 5;
constexpr int kStartPollMs = 20;
constexpr int kStartPollsMax = 1000;

// A port that was free a moment ago: the server takes none by itself.
int free_port() {
  int port = 0;
  listen_on_loopback(port);
  return port;
}

bool make_certificate(const std::filesystem::path& folder) {
  const std::string command =
      "cd '" + folder.native() +
      "' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
      "-subj /CN=test -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem "
      "2>/dev/null";
  return ::system(command.c_str()) == 0;
}

}  // namespace

S3Server::S3Server(std::string program, int port, bool tls)
    : program_(std::move(program)),
      port_(port),
      tls_(tls),
      endpoint_((tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port)) {
  std::filesystem::create_directory(folder_.path() / "data");
}

std::unique_ptr<S3Server> S3Server::start() { return start_any(false); }
std::unique_ptr<S3Server> S3Server::start_tls() { return start_any(true); }

std::unique_ptr<S3Server> S3Server::start_any(bool tls) {
  const char* program = ::getenv("SELVEDGE_S3_SERVER");
  if (program == nullptr || ::access(program, X_OK) != 0) {
    return nullptr;
  }
  for (int i = 0; i < kStartsMax; ++i) {
    std::unique_ptr<S3Server> server(new S3Server(program, free_port(), tls));
    if (tls && !make_certificate(server->folder_.path())) {
      ADD_FAILURE() << "openssl makes no certificate";
      return nullptr;
    }
    if (server->spawn()) {
      return server;
    }
  }
  ADD_FAILURE() << program << " does not start";
  return nullptr;
}

bool S3Server::spawn() {
  const std::string address = "127.0.0.1:" + std::to_string(port_);
  const std::string data = (folder_.path() / "data").native();
  const std::string log = (folder_.path() / "log").native();
  const std::string key = (folder_.path() / "key.pem").native();
  const std::string certificate_file = certificate().native();
  // Entity tags are kept in extended attributes: those of its other ways are not changed together
  // with the content.
  std::vector<const char*> words = {program_.c_str(),  "--port",           address.c_str(),
                                    "--access",        "test-access",      "--secret",
                                    "test-secret-key", "--virtual-domain", "localhost",
                                    "--keep-alive",    "--quiet"};
  if (tls_) {
    words.insert(words.end(), {"--cert", certificate_file.c_str(), "--key", key.c_str()});
  }
  words.insert(words.end(), {"posix", data.c_str(), nullptr});
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ == 0) {
    // Only what may be called between fork and exec of a process with threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int file = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    ::dup2(file, 1);
    ::dup2(file, 2);
    if (::getppid() == parent) {
      ::execv(program_.c_str(), std::bit_cast<char* const*>(words.data()));
    }
    ::_exit(127);
  }
  const base::UniqueFd ended(static_cast<int>(::syscall(SYS_pidfd_open, process_, 0)));
  for (int i = 0; i < kStartPollsMax; ++i) {
    pollfd poll{.fd = ended.get(), .events = POLLIN, .revents = 0};
    if (connect_to_loopback(port_)) {
      return true;
    }
    if (::poll(&poll, 1, kStartPollMs) > 0) {
      break;  // it ended: perhaps somebody else has the port
    }
  }
  stop();
  return false;
}

void S3Server::stop() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }
}

void S3Server::start_again() { EXPECT_TRUE(spawn()); }

S3Server::~S3Server() { stop(); }

std::string S3Server::make_bucket() {
  std::string name = "bucket-" + std::to_string(++buckets_);
  std::filesystem::create_directory(folder_of(name));
  return name;
}

std::filesystem::path S3Server::folder_of(const std::string& bucket) const {
  return folder_.path() / "data" / bucket;
}

std::string S3Server::virtual_host_endpoint() const {
  return "http://localhost:" + std::to_string(port_);
}

S3Credentials S3Server::credentials() {
  return {.access_key = "test-access", .secret_key = "test-secret-key", .session_token = ""};
}

}  // namespace selvedge::store::testing
