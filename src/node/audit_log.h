#pragma once

// Who did what with the admin API: lines of JSON, appended to a file that is replaced when it is
// large, so that all of them together stay bounded.
//
// All functions block on the disk; one thread at a time.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace selvedge::node {

class AuditLog {
 public:
  static constexpr std::size_t kLinesMax = 1000;  // of last()

  struct Options {
    // The newest lines; older ones are beside it, with .1 (newer) and so on behind its name.
    std::filesystem::path file;
    std::uint64_t file_bytes_max = std::uint64_t{16} << 20;
    int files_max = 5;
  };
  explicit AuditLog(Options options) : options_(std::move(options)) {}

  // `line` has no line feed. It is in the file when this returns, and on the disk when the kernel
  // thinks so. A line that a crash cut off is ended first.
  Result<> append(std::string_view line);
  // The newest `count` lines, oldest first; at most kLinesMax.
  Result<std::vector<std::string>> last(std::size_t count) const;

 private:
  std::filesystem::path file(int age) const;
  Result<> open();
  Result<> rotate();

  Options options_;
  base::UniqueFd fd_;
  std::uint64_t size_ = 0;
};

}  // namespace selvedge::node
