// What the common operations on files cost on each kind of file system.

#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "base/assert.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using testing::FileSystemUnderTest;
using testing::Kind;

constexpr const char* kPath = "lib/python3.11/encodings/utf_8.py";

void fill(Directory& root) {
  SELVEDGE_ASSERT(root.make_directory("lib").has_value());
  SELVEDGE_ASSERT(root.make_directory("lib/python3.11").has_value());
  SELVEDGE_ASSERT(root.make_directory("lib/python3.11/encodings").has_value());
  SELVEDGE_ASSERT(testing::put(root, kPath, std::string(100'000, 'x')).has_value());
}

Kind kind_of(const benchmark::State& state) { return static_cast<Kind>(state.range(0)); }

void stat_four_components(benchmark::State& state) {
  FileSystemUnderTest fixture(kind_of(state));
  fill(fixture.root());
  state.SetLabel(testing::to_string(kind_of(state)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(fixture.root().stat(kPath, Follow::kYes));
  }
}
BENCHMARK(stat_four_components)->DenseRange(0, 4);

void open_and_close_four_components(benchmark::State& state) {
  FileSystemUnderTest fixture(kind_of(state));
  fill(fixture.root());
  state.SetLabel(testing::to_string(kind_of(state)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(fixture.root().open(kPath, {.read = true}));
  }
}
BENCHMARK(open_and_close_four_components)->DenseRange(0, 4);

void read_64_kib(benchmark::State& state) {
  FileSystemUnderTest fixture(kind_of(state));
  fill(fixture.root());
  state.SetLabel(testing::to_string(kind_of(state)));
  auto file = testing::open_file(fixture.root(), kPath, {.read = true});
  SELVEDGE_ASSERT(file.has_value());
  std::vector<std::byte> bytes(std::size_t{64} << 10);
  const std::array buffers{base::MutableByteSpan(bytes)};
  for (auto _ : state) {
    benchmark::DoNotOptimize((*file)->pread(buffers, 0, Wait::kNever));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK(read_64_kib)->DenseRange(0, 4);

void write_512_bytes(benchmark::State& state) {
  FileSystemUnderTest fixture(kind_of(state));
  fill(fixture.root());
  state.SetLabel(testing::to_string(kind_of(state)));
  auto file = testing::open_file(fixture.root(), kPath, {.read = true, .write = true});
  SELVEDGE_ASSERT(file.has_value());
  const std::vector<std::byte> bytes(512);
  const std::array buffers{base::ByteSpan(bytes)};
  for (auto _ : state) {
    benchmark::DoNotOptimize((*file)->pwrite(buffers, 1000));
  }
}
BENCHMARK(write_512_bytes)->DenseRange(0, 4);

}  // namespace
}  // namespace selvedge::wasix
