#pragma once

#include <string>

namespace selvedge::store {

// Never logged, and in no message of an error.
struct S3Credentials {
  std::string access_key;
  std::string secret_key;
  // Of temporary credentials; else empty.
  std::string session_token;
};

}  // namespace selvedge::store
