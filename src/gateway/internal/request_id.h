#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"

namespace selvedge::gateway::internal {

// Ids of 16 hexadecimal digits: a counter under a mixing function, from a random start. Unique in
// one process (the function is a bijection), not predictable in sequence by clients. One thread.
class RequestIds {
 public:
  explicit RequestIds(base::Random& random) : next_(random.next()) {}
  std::string next();

 private:
  std::uint64_t next_;
};

}  // namespace selvedge::gateway::internal
