#include "node/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/errno_error.h"
#include "base/format.h"

namespace selvedge::node {

std::filesystem::path AuditLog::file(int age) const {
  return age == 0 ? options_.file
                  : std::filesystem::path(fmt::format("{}.{}", options_.file.string(), age));
}

Result<> AuditLog::open() {
  fd_ = base::UniqueFd(
      ::open(options_.file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat status{};
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) {
    return fail(base::errno_error(errno, options_.file.string()));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  char last = '\n';
  if (size_ > 0 && ::pread(fd_.get(), &last, 1, status.st_size - 1) == 1 && last != '\n') {
    size_ += ::write(fd_.get(), "\n", 1) == 1 ? 1 : 0;
  }
  return {};
}

Result<> AuditLog::rotate() {
  fd_.reset();
  std::error_code error;
  for (int age = options_.files_max - 1; age > 0; --age) {
    std::filesystem::rename(file(age - 1), file(age), error);
  }
  return open();
}

Result<> AuditLog::append(std::string_view line) {
  if (!fd_) {
    SELVEDGE_TRY_VOID(open());
  }
  if (size_ > 0 && size_ + line.size() + 1 > options_.file_bytes_max) {
    SELVEDGE_TRY_VOID(rotate());
  }
  const std::string text = fmt::format("{}\n", line);
  const ssize_t written = ::write(fd_.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    fd_.reset();  // what is there of the line is ended when it is opened again
    return fail(base::errno_error(error, options_.file.string()));
  }
  size_ += text.size();
  return {};
}

Result<std::vector<std::string>> AuditLog::last(std::size_t count) const {
  count = std::min(count, kLinesMax);
  std::vector<std::string> newest_first;
  for (int age = 0; age < options_.files_max && newest_first.size() < count; ++age) {
    std::ifstream stream(file(age), std::ios::binary);
    if (!stream) {
      break;
    }
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
      lines.push_back(std::move(line));
      if (lines.size() > 2 * kLinesMax) {
        lines.erase(lines.begin(), lines.begin() + kLinesMax);
      }
    }
    const std::size_t wanted = std::min(lines.size(), count - newest_first.size());
    std::move(lines.rbegin(), lines.rbegin() + static_cast<std::ptrdiff_t>(wanted),
              std::back_inserter(newest_first));
  }
  std::ranges::reverse(newest_first);
  return newest_first;
}

}  // namespace selvedge::node
