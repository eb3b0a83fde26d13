#pragma once

// What the admin API on a network proves itself with.

#include <filesystem>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/certificate.h"

namespace selvedge::node {

struct AdminCertificateFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
};

// Those that the operator has: both are read. A certificate that has expired, or begins in the
// future, is a warning in the log. Errors name the file.
Result<crypto::Certificate> read_admin_certificate(const AdminCertificateFiles& files,
                                                   const base::Clock& clock);

// One of our own, for ten years: read, or made when either file is missing. It names this machine's
// host name and addresses, and `domain`.
Result<crypto::Certificate> open_own_certificate(const AdminCertificateFiles& files,
                                                 const std::string& domain,
                                                 const base::Clock& clock);

// How people name the key: "sha256:" and 64 hexadecimal digits.
std::string fingerprint_of(const crypto::Certificate& certificate);

}  // namespace selvedge::node
