#pragma once

// What lies between a user's keys and a program: editing of lines, echo, the keys for signals, line
// ends. As Linux does it (n_tty) with the settings of stty sane, as far as WASIX's modes reach. No
// events here: VirtualTerminal has them.
//
//   key                 while a line is edited
//   DEL, BS             erase a character (UTF-8)
//   ^W                  erase a word and the blanks behind it
//   ^U                  erase the line
//   ^D                  hand over what is there; at the beginning of a line: the end of the input
//   CR, LF              end the line, as LF
//   ^C, ^\, ^Z          in every mode: a signal; what was typed and not read is dropped
//
// Without line_buffered, every byte but the keys for signals is input as it is.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wasix/abi.h"
#include "wasix/terminal.h"

namespace selvedge::wasix::internal {

using base::ByteSpan;
using base::MutableByteSpan;

// Bytes in order. What was taken is given back when it is more than the rest, so that reads of
// single bytes cost no more than others.
class ByteQueue {
 public:
  std::size_t size() const noexcept { return bytes_.size() - begin_; }
  bool empty() const noexcept { return size() == 0; }
  void push(char byte) { bytes_ += byte; }
  void push(std::string_view bytes) { bytes_ += bytes; }
  std::size_t pop(MutableByteSpan target) noexcept;
  void clear() noexcept;

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
};

class LineDiscipline {
 public:
  // A line of input with its end; what is typed beyond is dropped with a bell.
  static constexpr std::size_t kLineBytesMax = 4096;
  // Input that waits for the program; at the low mark the user's bytes are taken again.
  static constexpr std::size_t kInputBytesMax = 16'384;
  static constexpr std::size_t kInputBytesLow = kInputBytesMax / 2;
  // Output that waits for the user; at the low mark the program's is taken again.
  static constexpr std::size_t kOutputBytesMax = 65'536;
  static constexpr std::size_t kOutputBytesLow = kOutputBytesMax / 2;

  explicit LineDiscipline(TerminalModes modes) noexcept : modes_(modes) {}

  TerminalModes modes() const noexcept { return modes_; }
  // What waits stays: a line that is being edited becomes input when lines end, and bytes that were
  // not read become a line when lines begin.
  void set_modes(TerminalModes modes);

  // ---- The user's side ----
  struct Received {
    std::size_t count = 0;
    std::optional<Signal> signal = std::nullopt;
  };
  // Takes a prefix: up to a key for a signal and with it, or as much as there is room for. Such a
  // key is found behind bytes without room too, since it drops them.
  Received receive(ByteSpan bytes);
  bool has_input_room() const noexcept { return input_size() < kInputBytesMax; }
  bool input_is_low() const noexcept { return input_size() <= kInputBytesLow; }
  std::size_t take_output(MutableByteSpan target) noexcept { return output_.pop(target); }
  std::size_t output_size() const noexcept { return output_.size(); }

  // ---- The program's side ----
  bool is_readable() const noexcept;
  // What one read can give at most.
  std::size_t readable_bytes() const noexcept;
  // At most to the end of a line. 0 when is_readable(): the end of the input, once.
  std::size_t read(std::span<const MutableByteSpan> targets);
  // A prefix, in bytes of the program.
  std::size_t write(ByteSpan bytes);

 private:
  std::size_t input_size() const noexcept { return input_.size() + lines_.size(); }
  void edit(char byte);
  void finish_line();
  void erase_to(std::size_t size);
  std::size_t word_begin() const noexcept;
  void raise(char byte);
  // Echo that finds no room is dropped: keys never wait for output.
  void echo(std::string_view text);
  void echo_input(char byte);

  TerminalModes modes_;
  std::string line_;  // being edited
  ByteQueue input_;
  // With line_buffered: how many bytes of input_ belong to each line; 0 is an end of the input.
  std::deque<std::size_t> lines_;
  ByteQueue output_;
};

}  // namespace selvedge::wasix::internal
