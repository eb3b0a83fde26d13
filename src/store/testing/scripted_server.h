#pragma once

// An HTTP server that fails as it is told to: alone, or in front of a real one whose answers it
// loses.

#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace selvedge::store::testing {

class ScriptedServer {
 public:
  // What happens to one request.
  struct Step {
    enum class Kind { kAnswer, kClose, kHang, kForward } kind;
    // kAnswer: the bytes of the answer.
    std::string answer = {};
    // kForward: the real server answers, and this many bytes of its content reach the client; the
    // default is all. kNoAnswer loses the head too.
    std::size_t content_bytes = kWhole;
  };
  static constexpr std::size_t kWhole = static_cast<std::size_t>(-1);
  static constexpr std::size_t kNoAnswer = static_cast<std::size_t>(-2);

  static Step answer(int status, std::string_view content, std::string_view headers = "");
  static Step close() { return {.kind = Step::Kind::kClose}; }
  // The connection stays open and silent until the server ends.
  static Step hang() { return {.kind = Step::Kind::kHang}; }
  static Step forward(std::size_t content_bytes = kWhole) {
    return {.kind = Step::Kind::kForward, .content_bytes = content_bytes};
  }

  // Requests beyond the steps are forwarded, or closed when `upstream_port` is 0.
  explicit ScriptedServer(std::vector<Step> steps, int upstream_port = 0);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // The heads of the requests so far.
  std::vector<std::string> requests() const;

 private:
  void serve();
  void serve_one(base::UniqueFd client);
  std::string forward_request(const std::string& request) const;

  std::vector<Step> steps_;
  int upstream_port_;
  int port_ = 0;
  base::UniqueFd listener_;
  base::UniqueFd stop_;
  std::vector<base::UniqueFd> hanging_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::jthread thread_;
};

}  // namespace selvedge::store::testing
