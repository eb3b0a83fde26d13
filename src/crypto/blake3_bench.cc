#include <benchmark/benchmark.h>

#include <vector>

#include "crypto/blake3.h"

namespace selvedge::crypto {
namespace {

constexpr std::size_t kBatch = 32;

void BM_KeyedBlake3(benchmark::State& state) {
  const SecretKey key{std::array<std::byte, SecretKey::kSize>{}};
  const std::vector<std::byte> input(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(keyed_blake3(key, input));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_KeyedBlake3)->Arg(64)->Arg(1024)->Arg(1500)->Arg(1 << 20);

// One iteration is one batch of 32 inputs.
void BM_KeyedBlake3Many(benchmark::State& state) {
  const SecretKey key{std::array<std::byte, SecretKey::kSize>{}};
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::vector<std::vector<std::byte>> inputs(kBatch, std::vector<std::byte>(size));
  std::vector<const std::byte*> pointers;
  for (const auto& input : inputs) {
    pointers.push_back(input.data());
  }
  std::vector<Blake3Hash> hashes(kBatch);
  for (auto _ : state) {
    keyed_blake3_many(key, pointers, size, hashes);
    benchmark::DoNotOptimize(hashes.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
  state.SetBytesProcessed(state.iterations() * state.range(0) * static_cast<std::int64_t>(kBatch));
}
BENCHMARK(BM_KeyedBlake3Many)->Arg(64)->Arg(1024)->Arg(1500);

}  // namespace
}  // namespace selvedge::crypto
