#include "wasix/testing/hostile_records.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "base/assert.h"
#include "wasix/abi.h"
#include "wasix/abi_handles.h"
#include "wasix/abi_process.h"
#include "wasix/abi_socket.h"
#include "wasix/abi_terminal.h"

namespace selvedge::wasix::testing {

namespace {

constexpr std::uint32_t kMemoryBytes = 4 * 65'536;
// Below: the arguments of the threads. The word at kPrepared says that the records are there.
constexpr std::uint32_t kPrepared = 4092;
constexpr std::uint32_t kPreparedMark = 0x5EED'0001;
constexpr std::uint32_t kTexts = 4096;
constexpr std::uint32_t kTextBytes = 32;
constexpr std::uint32_t kTimestamps = 6144;
constexpr std::uint32_t kOptionPids = 6656;
constexpr std::uint32_t kFutexes = 7168;
constexpr std::uint32_t kIovecs = 8192;
constexpr std::uint32_t kSubscriptions = 12'288;
constexpr std::uint32_t kAddresses = 16'384;
constexpr std::uint32_t kAddressBytes = 128;
constexpr std::uint32_t kEpollEvents = 20'480;
constexpr std::uint32_t kOperations = 24'576;
constexpr std::uint32_t kTerminals = 28'672;
constexpr std::uint32_t kTextPointers = 29'696;
constexpr std::uint32_t kDispositions = 30'720;
constexpr std::uint32_t kScratch = 65'536;

constexpr std::array<std::string_view, 38> kTextList{"a",
                                                     "dir",
                                                     "dir/file",
                                                     "link",
                                                     "loop",
                                                     "..",
                                                     "../../etc/passwd",
                                                     "/abs",
                                                     ".",
                                                     "dir/../a",
                                                     "a/",
                                                     "dir/./x",
                                                     "new",
                                                     "link/x",
                                                     "\xFF\xFE",
                                                     "dir//file/",
                                                     "exit",
                                                     "spin",
                                                     "read",
                                                     "self",
                                                     "script",
                                                     "endless",
                                                     "huge",
                                                     "program",
                                                     "/program",
                                                     "/bin/exit",
                                                     "/bin:/dir",
                                                     "x\ny",
                                                     "A=1\nPATH=/bin",
                                                     "self\n\n",
                                                     "/script",
                                                     "broken",
                                                     "/library",
                                                     "./other",
                                                     "twice",
                                                     "data",
                                                     "own",
                                                     "needs"};

template <class T>
void put(engine::GuestMemory memory, std::uint32_t address, const T& value) {
  SELVEDGE_ASSERT(memory.write(engine::GuestPtr<T>{address}, value));
}

void put_addresses(engine::GuestMemory memory) {
  for (std::uint32_t index = 0; index < 16; ++index) {
    abi::AddrPort address{};
    address.tag = static_cast<std::uint8_t>(index % 4);
    address.data[0] = static_cast<std::uint8_t>(index % 8 < 4 ? 80 : 0);
    if (address.tag == 1) {
      constexpr std::array<std::array<std::uint8_t, 4>, 4> kHosts{
          {{127, 0, 0, 1}, {0, 0, 0, 0}, {224, 0, 0, 1}, {8, 8, 8, 8}}};
      std::ranges::copy(kHosts[index / 4], address.data + 2);
    } else if (address.tag == 2) {
      address.data[2] = index / 4 == 2 ? 0xFF : 0;
      address.data[17] = index / 4 == 1 ? 0 : 1;
    } else if (address.tag == 3) {
      std::memset(address.data, index / 4 == 3 ? 'x' : 0, sizeof address.data);
      address.data[index / 4 == 1 ? 1 : 0] = 's';
    }
    put(memory, kAddresses + index * kAddressBytes, address);
  }
}

void put_operations(engine::GuestMemory memory) {
  for (std::uint32_t index = 0; index < 16; ++index) {
    const std::uint32_t text = index % kTextList.size();
    put(memory, kOperations + index * 56,
        abi::SpawnOperation{.command = static_cast<std::uint8_t>(index % 6),
                            .padding = {},
                            .fd = index / 2,
                            .source_fd = index % 5,
                            .path = kTexts + text * kTextBytes,
                            .path_len = static_cast<std::uint32_t>(kTextList[text].size()),
                            .dirflags = index % 2,
                            .oflags = static_cast<std::uint16_t>(index / 4),
                            .padding2 = {},
                            .rights_base = ~std::uint64_t{0},
                            .rights_inheriting = ~std::uint64_t{0},
                            .fdflags = 0,
                            .fdflagsext = 0,
                            .padding3 = {}});
  }
}

void put_small_records(engine::GuestMemory memory) {
  for (std::uint32_t index = 0; index < 16; ++index) {
    put(memory, kTimestamps + index * 16,
        abi::OptionTimestamp{.tag = static_cast<std::uint8_t>(index % 3),
                             .padding = {},
                             .value = index < 8 ? index : ~Timestamp{0} >> index});
    put(memory, kOptionPids + index * 8,
        abi::OptionPid{
            .tag = static_cast<std::uint8_t>(index % 3), .padding = {}, .pid = index / 3});
    put(memory, kEpollEvents + index * 32,
        abi::EpollEvent{.events = static_cast<EpollType>(1U << (index % 9) | index % 4),
                        .padding = 0,
                        .data = {index}});
    abi::Tty terminal{};
    terminal.cols = index < 8 ? 0 : 80;
    terminal.echo = static_cast<std::uint8_t>(index % 2);
    terminal.line_buffered = static_cast<std::uint8_t>(index / 2 % 2);
    terminal.line_feeds = static_cast<std::uint8_t>(index / 4 % 3);
    put(memory, kTerminals + index * 32, terminal);
    abi::Subscription subscription{};
    subscription.userdata = index;
    subscription.type = static_cast<std::uint8_t>(index % 3);
    subscription.fd_or_clock = index % 3 == 0 ? index / 3 : index;
    subscription.timeout = index * 1000;
    put(memory, kSubscriptions + index * 48, subscription);
  }
  for (std::uint32_t index = 0; index < 32; ++index) {
    put(memory, kIovecs + index * 8,
        abi::Iovec{.buf = kScratch + index * 100, .len = index < 24 ? index * 7 : index * 2000});
  }
}

}  // namespace

std::uint64_t FuzzInput::number(std::size_t bytes) noexcept {
  std::uint64_t value = 0;
  for (std::size_t index = 0; index < bytes && !input_.empty(); ++index) {
    value |= std::to_integer<std::uint64_t>(input_.front()) << (8 * index);
    input_ = input_.subspan(1);
  }
  return value;
}

base::ByteSpan FuzzInput::bytes(std::size_t count) noexcept {
  const base::ByteSpan taken = input_.first(std::min(count, input_.size()));
  input_ = input_.subspan(taken.size());
  return taken;
}

std::uint64_t hostile_record(char letter, std::uint8_t choice, std::uint32_t& text) {
  const std::uint32_t index = choice % 16U;
  switch (letter) {
    case 'a':
      return kAddresses + index * kAddressBytes;
    case 'i':
      return kAddresses + index * kAddressBytes + 4;
    case 'e':
      return kEpollEvents + index * 32;
    case 't':
      return kTimestamps + index * 16;
    case 's':
      return kOperations + index * 56;
    case 'o':
      return kOptionPids + index * 8;
    case 'v':
      return kIovecs + choice % 32U * 8;
    case 'u':
      return kSubscriptions + index * 48;
    case 'c':
      return kTerminals + index * 32;
    case 'w':
      return kFutexes + index * 4;
    case 'p':
      text = choice % (kTextList.size() + 1);
      return text == kTextList.size() ? 0 : kTexts + text * kTextBytes;
    case 'l':
      return text == kTextList.size() ? 0 : kTextList[text].size();
    case 'S':
      return choice == 255 ? 0 : kTextPointers + index * 4;
    case 'd':
      return index == 15 ? 0 : kDispositions + index * 2;
    case 'f':
      return choice % 24U;
    case 'n':
      return choice % 32U;
    case 'm':
      return choice % 4U;
    case 'T':
      return index == 15 ? ~std::uint64_t{0} : choice * std::uint64_t{index} * 100;
    case 'A':
      return ~std::uint64_t{0};
    case 'z':
      return 0;
    default:
      return kScratch + choice * 64U;
  }
}

void prepare_hostile_memory(engine::GuestMemory memory) {
  if (memory.read(engine::GuestPtr<std::uint32_t>{kPrepared}) == kPreparedMark) {
    return;
  }
  put(memory, kPrepared, kPreparedMark);
  for (std::uint32_t index = 0; index < kTextList.size(); ++index) {
    const auto target = memory.bytes(kTexts + index * kTextBytes, kTextList[index].size());
    std::ranges::copy(base::as_bytes(kTextList[index]), target->begin());
  }
  for (std::uint32_t index = 0; index < 32; ++index) {
    put(memory, kTextPointers + index * 4, kTexts + index * 7 % 32 * kTextBytes);
    put(memory, kDispositions + index * 2,
        abi::SignalDisposition{.signal = static_cast<std::uint8_t>(index),
                               .disposition = static_cast<std::uint8_t>(index % 3)});
  }
  put_addresses(memory);
  put_operations(memory);
  put_small_records(memory);
}

std::uint64_t hostile_value(FuzzInput& input, bool is_long) {
  constexpr std::string_view kAddressLetters = "aietsovucwp";
  constexpr std::array<std::uint32_t, 12> kEdges{
      0, 1, 8, 24, 100, 1023, 1024, 1025, 4097, kMemoryBytes, 0x7FFF'FFFF, 0xFFFF'FFFF};
  const std::uint8_t choice = input.byte();
  std::uint32_t text = 0;
  switch (choice % 8) {
    case 0:
    case 1:
      return choice / 8;
    case 2:
      return kEdges[choice / 8 % kEdges.size()];
    case 3:
      return hostile_record('r', choice, text);
    case 4:
      return kMemoryBytes - choice / 8U;
    case 5:
    case 6:
      return hostile_record(kAddressLetters[choice / 8 % kAddressLetters.size()], input.byte(),
                            text);
    default:
      return input.number(is_long ? 8 : 4);
  }
}

}  // namespace selvedge::wasix::testing
