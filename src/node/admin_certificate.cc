#include "node/admin_certificate.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include "app/package.h"
#include "base/errno_error.h"
#include "base/format.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "io/kernel_network.h"

namespace selvedge::node {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPemBytesMax = std::size_t{256} << 10;
constexpr base::Duration kOwnLifetime = std::chrono::hours(24 * 365 * 10);
// A client whose clock is behind accepts it too.
constexpr base::Duration kClockSkew = std::chrono::hours(24);
constexpr std::size_t kNamesMax = 32;

// For its owner alone, durably, and whole or not there.
Result<> write_file(const fs::path& path, std::string_view text) {
  const fs::path fresh = path.string() + ".new";
  ::unlink(fresh.c_str());
  const base::UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) {
    return fail(base::errno_error(errno, fresh.string()));
  }
  const bool written =
      ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(file.get()) == 0 && ::rename(fresh.c_str(), path.c_str()) == 0;
  return written ? Result<>() : fail(base::errno_error(errno, path.string()));
}

std::vector<std::string> own_names(const std::string& domain) {
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  const auto add = [&names](std::string name) {
    if (!name.empty() && names.size() < kNamesMax &&
        std::ranges::find(names, name) == names.end()) {
      names.push_back(std::move(name));
    }
  };
  std::array<char, 254> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) {
    add(host.data());
  }
  add(domain);
  for (const io::IpAddress& address : io::KernelNetwork::own_addresses()) {
    add(address.to_string());
  }
  return names;
}

}  // namespace

Result<crypto::Certificate> read_admin_certificate(const AdminCertificateFiles& files,
                                                   const base::Clock& clock) {
  SELVEDGE_TRY(const std::string chain,
               app::read_text_file(files.certificate.string(), kPemBytesMax));
  SELVEDGE_TRY(const std::string key, app::read_text_file(files.key.string(), kPemBytesMax));
  auto read = crypto::Certificate::from_pem(chain, key);
  if (!read.has_value()) {
    return fail(std::move(read).error().with_context(
        fmt::format("{}, {}", files.certificate.string(), files.key.string())));
  }
  const base::WallTime now = clock.wall_now();
  if (now >= read->not_after()) {
    log::warning("{}: the certificate has expired: clients will refuse it",
                 files.certificate.string());
  } else if (now < read->not_before()) {
    log::warning("{}: the certificate begins in the future: clients will refuse it",
                 files.certificate.string());
  }
  return read;
}

Result<crypto::Certificate> open_own_certificate(const AdminCertificateFiles& files,
                                                 const std::string& domain,
                                                 const base::Clock& clock) {
  std::error_code error;
  if (!fs::exists(files.certificate, error) || !fs::exists(files.key, error)) {
    SELVEDGE_TRY(const auto made,
                 crypto::make_self_signed_certificate({.names = own_names(domain),
                                                       .from = clock.wall_now() - kClockSkew,
                                                       .lifetime = kOwnLifetime + kClockSkew}));
    // The key first: a certificate without it is made anew.
    SELVEDGE_TRY_VOID(write_file(files.key, made.key));
    SELVEDGE_TRY_VOID(write_file(files.certificate, made.certificate));
  }
  return read_admin_certificate(files, clock);
}

std::string fingerprint_of(const crypto::Certificate& certificate) {
  return "sha256:" + certificate.public_key_hash();
}

}  // namespace selvedge::node
