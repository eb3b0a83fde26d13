// A hostile guest: calls every import of WASI preview 1 and snapshot 0, in any order, with
// arguments that are random but often plausible (small descriptors, prepared paths and iovecs,
// lengths at edges), over a file system in memory. The host must not crash, hang, or touch what is
// not the guest's; the sanitizers watch.
//
// The input is a program: each call takes one byte that picks the import and some bytes for each
// argument.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/system.h"
#include "wasix/fs_memory.h"
#include "wasix/host_functions.h"
#include "wasix/pipe.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::ImportSignature;
using testing::Machine;

constexpr std::size_t kCallsMax = 64;
constexpr std::uint32_t kMemoryBytes = 4 * 65'536;
constexpr std::uint32_t kPaths = 1024;  // kPathBytes for each path
constexpr std::uint32_t kPathBytes = 32;
constexpr std::uint32_t kIovecs = 4096;
constexpr std::uint32_t kSubscriptions = 8192;
constexpr std::uint32_t kScratch = 65'536;
constexpr std::array<std::string_view, 16> kPathTexts{
    "a", "dir",      "dir/file", "link",    "loop", "..",     "../../etc/passwd", "/abs",
    ".", "dir/../a", "a/",       "dir/./x", "new",  "link/x", "\xFF\xFE",         "dir//file/"};

struct Fixture {
  Machine machine;
  base::SystemClock clock;
  std::array<std::shared_ptr<const engine::LinkedModule>, 2> modules;
};

Fixture& fixture() {
  static const std::unique_ptr<Fixture> instance = [] {
    auto made = std::make_unique<Fixture>();
    made->modules[0] = *made->machine.link_wat(
        testing::trampoline_wat(kPreview1Module, testing::preview1_imports()));
    made->modules[1] = *made->machine.link_wat(
        testing::trampoline_wat(kSnapshot0Module, testing::snapshot0_imports()));
    return made;
  }();
  return *instance;
}

// What the input says, zeros after its end.
class Program {
 public:
  explicit Program(base::ByteSpan input) noexcept : input_(input) {}
  bool ended() const noexcept { return input_.empty(); }
  std::uint8_t byte() noexcept { return static_cast<std::uint8_t>(number(1)); }
  std::uint64_t number(std::size_t bytes) noexcept {
    std::uint64_t value = 0;
    for (std::size_t index = 0; index < bytes && !input_.empty(); ++index) {
      value |= std::to_integer<std::uint64_t>(input_.front()) << (8 * index);
      input_ = input_.subspan(1);
    }
    return value;
  }
  base::ByteSpan bytes(std::size_t count) noexcept {
    const base::ByteSpan taken = input_.first(std::min(count, input_.size()));
    input_ = input_.subspan(taken.size());
    return taken;
  }

 private:
  base::ByteSpan input_;
};

std::uint32_t edge_length(std::uint8_t choice) noexcept {
  constexpr std::array<std::uint32_t, 16> kLengths{
      0,   1,    2,    3,    8,    24,           48,          100,
      256, 1023, 1024, 1025, 4097, kMemoryBytes, 0x7FFF'FFFF, 0xFFFF'FFFF};
  return kLengths[choice % kLengths.size()];
}

std::uint64_t argument(Program& program, char letter) noexcept {
  const std::uint8_t choice = program.byte();
  switch (choice % 10) {
    case 0:
    case 1:
      return choice / 10;  // descriptors, flags, types
    case 2:
      return kPaths + (choice / 10U % kPathTexts.size()) * kPathBytes;
    case 3:
      return kIovecs + (choice / 10U) * 8;
    case 4:
      return kSubscriptions + (choice / 10U) * 8;
    case 5:
      return kScratch + (choice / 10U) * 64;
    case 6:
      return edge_length(choice / 10);
    case 7:
      return kMemoryBytes - choice / 10U;
    case 8:
      return letter == 'I' ? ~std::uint64_t{0} >> (choice / 10U) : program.number(2);
    default:
      return program.number(letter == 'I' ? 8 : 4);
  }
}

std::shared_ptr<Directory> make_tree(const base::Clock& clock) {
  auto created = MemoryFileSystem::create(
      {.clock = clock, .bytes_max = 1 << 20, .entries_max = 64, .lower = nullptr});
  SELVEDGE_ASSERT(created.has_value());
  std::shared_ptr<Directory> root = (*created)->open_root();
  SELVEDGE_ASSERT(root->make_directory("dir").has_value());
  SELVEDGE_ASSERT(root->symlink("dir", "link").has_value());
  SELVEDGE_ASSERT(root->symlink("loop", "loop").has_value());
  for (const std::string_view name : {"a", "dir/file"}) {
    SELVEDGE_ASSERT(root->open(name, {.oflags = Oflags::kCreat, .write = true}).has_value());
  }
  return root;
}

void prepare_memory(CallingGuest& guest) {
  for (std::uint32_t index = 0; index < kPathTexts.size(); ++index) {
    guest.put(kPaths + index * kPathBytes, kPathTexts[index]);
  }
  for (std::uint32_t index = 0; index < 32; ++index) {
    guest.put_value(kIovecs + index * 8,
                    abi::Iovec{.buf = kScratch + index * 100, .len = index * 7});
  }
  for (std::uint32_t index = 0; index < 16; ++index) {
    abi::Subscription subscription{};
    subscription.userdata = index;
    subscription.type = static_cast<std::uint8_t>(index % 3);
    subscription.fd_or_clock = index % 5;
    subscription.timeout = index;
    guest.put_value(kSubscriptions + index * 48, subscription);
  }
}

void run(Program program) {
  Fixture& fixed = fixture();
  const PipeEnds input = make_pipe(fixed.machine.reactor());
  const PipeEnds output = make_pipe(fixed.machine.reactor(), {.counts_as_output = true});
  ProcessOptions options{.arguments = {"fuzz", ""}, .environment = {"K=V"}};
  options.preopens.push_back({.guest_path = "/", .directory = make_tree(fixed.clock)});
  options.standard_input = input.reader;
  options.standard_output = output.writer;
  options.limits.open_handles_max = 32;
  const std::uint8_t version = program.byte() % 2;
  const auto imports = version == 0 ? testing::preview1_imports() : testing::snapshot0_imports();
  CallingGuest guest(fixed.machine, fixed.modules[version], std::move(options));
  prepare_memory(guest);

  for (std::size_t count = 0; count < kCallsMax && !program.ended(); ++count) {
    const std::uint8_t choice = program.byte();
    if (choice >= 240) {  // the guest writes into its memory
      const auto address = static_cast<std::uint32_t>(argument(program, 'i'));
      const base::ByteSpan bytes = program.bytes(choice - 239U);
      if (guest.memory().bytes(address, bytes.size())) {
        guest.put(address, base::as_text(bytes));
      }
      continue;
    }
    const ImportSignature& import = imports[choice % imports.size()];
    std::vector<std::uint64_t> arguments;
    for (const char letter : import.parameters) {
      arguments.push_back(argument(program, letter));
    }
    guest.begin(import.name, arguments);
    if (!guest.turn()) {
      guest.drop();  // it waits for what will not come
    }
  }
}

}  // namespace
}  // namespace selvedge::wasix

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  selvedge::wasix::run(
      selvedge::wasix::Program(std::as_bytes(std::span<const std::uint8_t>(data, size))));
  return 0;
}
