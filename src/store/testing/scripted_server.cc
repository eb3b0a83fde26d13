#include "store/testing/scripted_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "store/testing/loopback.h"

namespace selvedge::store::testing {
namespace {

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Appends what comes; false at the end.
bool receive_some(int socket, std::string& bytes) {
  std::array<char, 65'536> piece;
  const ssize_t count = ::recv(socket, piece.data(), piece.size(), 0);
  if (count <= 0) {
    return false;
  }
  bytes.append(piece.data(), static_cast<std::size_t>(count));
  return true;
}

std::size_t content_length_of(std::string_view head) {
  const std::size_t found = head.find("\r\nContent-Length: ");
  std::size_t length = 0;
  if (found != std::string_view::npos) {
    const std::string_view digits = head.substr(found + 18);
    std::from_chars(digits.data(), digits.data() + digits.size(), length);
  }
  return length;
}

}  // namespace

ScriptedServer::Step ScriptedServer::answer(int status, std::string_view content,
                                            std::string_view headers) {
  return {.kind = Step::Kind::kAnswer,
          .answer = "HTTP/1.1 " + std::to_string(status) +
                    " X\r\nContent-Length: " + std::to_string(content.size()) + "\r\n" +
                    std::string(headers) + "\r\n" + std::string(content)};
}

ScriptedServer::ScriptedServer(std::vector<Step> steps, int upstream_port)
    : steps_(std::move(steps)),
      upstream_port_(upstream_port),
      listener_(listen_on_loopback(port_)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this] { serve(); }) {}

ScriptedServer::~ScriptedServer() { ::eventfd_write(stop_.get(), 1); }

std::vector<std::string> ScriptedServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void ScriptedServer::serve() {
  while (true) {
    std::array<pollfd, 2> polled{pollfd{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    if (::poll(polled.data(), polled.size(), -1) < 0 || polled[1].revents != 0) {
      return;
    }
    serve_one(base::UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
}

void ScriptedServer::serve_one(base::UniqueFd client) {
  std::string request;
  std::size_t head_end = std::string::npos;
  while (head_end == std::string::npos) {
    if (!receive_some(client.get(), request)) {
      return;
    }
    head_end = request.find("\r\n\r\n");
  }
  const std::string head = request.substr(0, head_end + 2);
  while (request.size() < head_end + 4 + content_length_of(head)) {
    if (!receive_some(client.get(), request)) {
      return;
    }
  }
  Step step = upstream_port_ != 0 ? forward() : close();
  {
    const std::lock_guard lock(mutex_);
    if (requests_.size() < steps_.size()) {
      step = steps_[requests_.size()];
    }
    requests_.push_back(head);
  }
  if (step.kind == Step::Kind::kAnswer) {
    send_all(client.get(), step.answer);
  } else if (step.kind == Step::Kind::kHang) {
    hanging_.push_back(std::move(client));
  } else if (step.kind == Step::Kind::kForward) {
    const std::string answer = forward_request(request);
    const std::size_t content = answer.find("\r\n\r\n") + 4;
    if (step.content_bytes != kNoAnswer) {
      const std::size_t size = answer.size() - content;
      send_all(client.get(),
               std::string_view(answer).substr(0, content + std::min(size, step.content_bytes)));
    }
  }
}

std::string ScriptedServer::forward_request(const std::string& request) const {
  const base::UniqueFd server = connect_to_loopback(upstream_port_);
  const std::size_t line = request.find("\r\n") + 2;
  send_all(server.get(), request.substr(0, line) + "Connection: close\r\n" + request.substr(line));
  std::string answer;
  while (receive_some(server.get(), answer)) {
  }
  return answer;
}

}  // namespace selvedge::store::testing
