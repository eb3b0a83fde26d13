#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "crypto/certificate.h"
#include "crypto/internal/openssl.h"

namespace selvedge::crypto {

struct Certificate::Contents {
  internal::X509Pointer leaf;
  std::vector<internal::X509Pointer> chain;  // without the leaf
  internal::KeyPointer key;
  std::string public_key_hash;
  base::WallTime not_before;
  base::WallTime not_after;
};

}  // namespace selvedge::crypto
