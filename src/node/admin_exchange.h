#pragma once

// JSON over one HTTP exchange: what every part of the admin API reads and answers with.

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "app/http_exchange.h"
#include "base/result.h"
#include "io/task.h"
#include "wire/http_message.h"

namespace selvedge::node {

// The segments of a path: "/v1/apps" is {"v1", "apps"}. No '%' is decoded: no name needs one.
std::vector<std::string_view> path_segments(std::string_view path);

// The whole content. Invalid: larger than `bytes_max`; errors of the connection.
io::Task<std::string> read_content(app::HttpExchange& exchange, std::size_t bytes_max);

io::Task<> answer_json(app::HttpExchange& exchange, wire::StatusCode status, nlohmann::json value);
// One of several values of an answer, on a line of its own.
io::Task<> write_line(app::HttpExchange& exchange, nlohmann::json value);
io::Task<> answer_empty(app::HttpExchange& exchange);  // 204
// {"error": sentence, "kind": kind} with the status that fits the kind.
io::Task<> answer_error(app::HttpExchange& exchange, const Error& error);
nlohmann::json error_json(const Error& error);

}  // namespace selvedge::node
