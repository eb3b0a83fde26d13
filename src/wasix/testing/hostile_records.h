#pragma once

// What lies in the memory of a hostile guest: records that most calls can make sense of, so that
// random arguments are often plausible ones.

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "engine/guest_memory.h"

namespace selvedge::wasix::testing {

// What a fuzzer's input says, zeros after its end.
class FuzzInput {
 public:
  explicit FuzzInput(base::ByteSpan input) noexcept : input_(input) {}
  bool ended() const noexcept { return input_.empty(); }
  std::uint8_t byte() noexcept { return static_cast<std::uint8_t>(number(1)); }
  std::uint64_t number(std::size_t bytes) noexcept;
  base::ByteSpan bytes(std::size_t count) noexcept;

 private:
  base::ByteSpan input_;
};

// Writes the records, unless they are there.
void prepare_hostile_memory(engine::GuestMemory memory);

// One of the records (or a number) of a kind:
// a: addr_port  i: an IP address  e: epoll_event  t: option_timestamp  s: proc_spawn_fd_op
// o: option_pid  v: iovecs  u: subscriptions  c: tty  w: futex  r: a place for results
// S: addresses of texts  d: signal dispositions
// p: text, l: the length of the text before  f: descriptor  n: number < 32  m: number < 4
// T: duration or size  A: all bits  z: zero
// `text` goes from a p to the l behind it.
std::uint64_t hostile_record(char letter, std::uint8_t choice, std::uint32_t& text);

// An address or a number that has a meaning somewhere.
std::uint64_t hostile_value(FuzzInput& input, bool is_long);

}  // namespace selvedge::wasix::testing
