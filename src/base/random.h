#pragma once

// Randomness as an injected capability. The real source is SystemRandom (base/system.h); tests and
// the simulator use SeededRandom, so that one printed seed reproduces a run.

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace selvedge::base {

class Random {
 public:
  virtual ~Random() = default;
  // Fills the whole span. Never fails; one thread at a time unless the implementation says
  // otherwise.
  virtual void fill(MutableByteSpan bytes) noexcept = 0;

  std::uint64_t next() noexcept;
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound) noexcept;
};

// Deterministic (SplitMix64). Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept : state_(seed) {}
  void fill(MutableByteSpan bytes) noexcept override;

 private:
  std::uint64_t state_;
};

}  // namespace selvedge::base
