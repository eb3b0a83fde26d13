#pragma once

// Talks to a node's admin API. Blocking; one thread.

#include <curl/curl.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cli/messages.h"
#include "cli/node_address.h"
#include "crypto/blake3.h"

namespace selvedge::cli {

class AdminClient {
 public:
  // `node`: a unix socket, or https://… (node_address.h). On a network the token comes from the
  // variable SELVEDGE_TOKEN, and SELVEDGE_NODE_CA names the certificates (PEM) that the node's must
  // descend from, unless its key is pinned. Connects at the first request. Invalid, Unsupported.
  static Result<AdminClient> create(const std::filesystem::path& node);

  // Errors are the node's own sentences with their kinds; kDisconnected, with what to do, when no
  // node answers. A node that asks to come again later (429) is waited for, within RetryBudget; a
  // terminal is told so.
  Result<nlohmann::json> get(std::string_view path);
  Result<nlohmann::json> put(std::string_view path, const nlohmann::json& content);
  Result<nlohmann::json> post(std::string_view path, const nlohmann::json& content);
  Result<> remove(std::string_view path);
  Result<> put_blob(const crypto::Blake3Hash& hash, base::ByteSpan bytes);
  // The blob, which has `bytes` bytes. kInternal when what came is not it.
  Result<std::vector<std::byte>> get_blob(const crypto::Blake3Hash& hash, std::uint64_t bytes);
  // For an answer that comes as one JSON value a line: each goes to `on_line`; the last is
  // returned.
  Result<nlohmann::json> post_for_lines(std::string_view path, const nlohmann::json& content,
                                        const std::function<void(const nlohmann::json&)>& on_line);
  // The same; the answer may have no line.
  Result<nlohmann::json> get_for_lines(std::string_view path,
                                       const std::function<void(const nlohmann::json&)>& on_line);

 private:
  struct Close {
    void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
  };
  struct Request;

  AdminClient(NodeAddress node, CURL* handle) noexcept : node_(std::move(node)), handle_(handle) {}
  Result<nlohmann::json> exchange(const Request& request);
  // Once. An error of status 429 comes with how long to wait.
  Result<nlohmann::json> try_exchange(const Request& request,
                                      std::optional<std::chrono::seconds>& retry_after);
  void set_up_connection();
  Error connection_error(CURLcode code, std::string_view message) const;
  // For messages.
  std::string name() const { return node_.url.empty() ? node_.socket.string() : node_.url; }

  NodeAddress node_;
  std::string token_;
  std::unique_ptr<CURL, Close> handle_;
};

// Runs a command that asks a node and takes its answers apart. Prints its error, which is kInternal
// when an answer is not what this version expects; returns the exit code.
int run_client(const std::function<Result<>()>& command, MessageStyle style);

}  // namespace selvedge::cli
