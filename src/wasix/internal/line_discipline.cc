#include "wasix/internal/line_discipline.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace selvedge::wasix::internal {

namespace {

constexpr char control(char letter) noexcept { return static_cast<char>(letter - '@'); }

constexpr char kInterrupt = control('C');
constexpr char kQuit = control('\\');
constexpr char kSuspend = control('Z');
constexpr char kEndOfFile = control('D');
constexpr char kKillLine = control('U');
constexpr char kEraseWord = control('W');
constexpr char kBackspace = '\b';
constexpr char kDelete = '\x7F';
constexpr std::string_view kBell = "\a";
constexpr std::size_t kTabCells = 8;

std::optional<Signal> signal_of(char key) noexcept {
  switch (key) {
    case kInterrupt:
      return Signal::kInt;
    case kQuit:
      return Signal::kQuit;
    case kSuspend:
      return Signal::kTstp;
    default:
      return std::nullopt;
  }
}

bool is_control(char byte) noexcept { return (byte >= 0 && byte < ' ') || byte == kDelete; }
bool is_blank(char byte) noexcept { return byte == ' ' || byte == '\t'; }
bool is_continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

// How a line looks while it is edited: control characters as ^X, tabs as blanks up to the next stop
// from the line's own beginning (where that is on the screen, only the program knows).
std::size_t cells_after(std::size_t cells, char byte) noexcept {
  if (byte == '\t') {
    return cells + kTabCells - cells % kTabCells;
  }
  if (is_continuation(byte)) {
    return cells;
  }
  return cells + (is_control(byte) ? 2 : 1);
}

std::size_t cells_of(std::string_view line) noexcept {
  std::size_t cells = 0;
  for (const char byte : line) {
    cells = cells_after(cells, byte);
  }
  return cells;
}

}  // namespace

std::size_t ByteQueue::pop(MutableByteSpan target) noexcept {
  const std::size_t count = std::min(target.size(), size());
  if (count > 0) {
    std::memcpy(target.data(), bytes_.data() + begin_, count);
    begin_ += count;
  }
  if (begin_ >= size()) {
    bytes_.erase(0, begin_);
    begin_ = 0;
  }
  return count;
}

void ByteQueue::clear() noexcept {
  bytes_.clear();
  begin_ = 0;
}

void LineDiscipline::set_modes(TerminalModes modes) {
  if (modes.line_buffered != modes_.line_buffered) {
    lines_.clear();
    if (modes.line_buffered) {
      if (!input_.empty()) {
        lines_.push_back(input_.size());
      }
    } else {
      input_.push(line_);
      line_.clear();
    }
  }
  modes_ = modes;
}

LineDiscipline::Received LineDiscipline::receive(ByteSpan bytes) {
  const std::string_view text = base::as_text(bytes);
  for (std::size_t index = 0; index < text.size(); ++index) {
    const char byte = text[index];
    if (const auto signal = signal_of(byte)) {
      raise(byte);
      return {.count = index + 1, .signal = signal};
    }
    if (!has_input_room()) {
      const std::size_t key = text.find_first_of(std::string_view("\x03\x1A\x1C"), index);
      if (key == std::string_view::npos) {
        return {.count = index};
      }
      index = key - 1;
    } else if (modes_.line_buffered) {
      edit(byte == '\r' ? '\n' : byte);
    } else {
      input_.push(byte);
      echo_input(byte);
    }
  }
  return {.count = text.size()};
}

void LineDiscipline::raise(char byte) {
  line_.clear();
  input_.clear();
  lines_.clear();
  echo_input(byte);
}

void LineDiscipline::edit(char byte) {
  switch (byte) {
    case kDelete:
    case kBackspace: {
      std::size_t size = line_.size();
      while (size > 0 && is_continuation(line_[size - 1])) {
        --size;
      }
      erase_to(size > 0 ? size - 1 : 0);
      return;
    }
    case kEraseWord:
      erase_to(word_begin());
      return;
    case kKillLine:
      erase_to(0);
      return;
    case kEndOfFile:
      finish_line();
      return;
    case '\n':
      line_ += byte;
      echo_input(byte);
      finish_line();
      return;
    default:
      break;
  }
  if (line_.size() + 1 >= kLineBytesMax) {  // the line's end always finds room
    echo(kBell);
    return;
  }
  if (byte == '\t') {
    const std::size_t cells = cells_of(line_);
    echo(std::string(cells_after(cells, byte) - cells, ' '));
  } else {
    echo_input(byte);
  }
  line_ += byte;
}

void LineDiscipline::finish_line() {
  lines_.push_back(line_.size());
  input_.push(line_);
  line_.clear();
}

std::size_t LineDiscipline::word_begin() const noexcept {
  std::size_t size = line_.size();
  while (size > 0 && is_blank(line_[size - 1])) {
    --size;
  }
  while (size > 0 && !is_blank(line_[size - 1])) {
    --size;
  }
  return size;
}

void LineDiscipline::erase_to(std::size_t size) {
  const std::size_t before = cells_of(line_);
  line_.resize(size);
  std::string erasure;
  for (std::size_t cells = cells_of(line_); cells < before; ++cells) {
    erasure += "\b \b";
  }
  echo(erasure);
}

void LineDiscipline::echo(std::string_view text) {
  if (modes_.echo && output_.size() + text.size() <= kOutputBytesMax) {
    output_.push(text);
  }
}

void LineDiscipline::echo_input(char byte) {
  if (byte == '\n') {
    echo(modes_.line_feeds ? "\r\n" : "\n");
  } else if (is_control(byte) && byte != '\t') {
    const char shown[] = {'^', static_cast<char>(byte ^ '@')};
    echo({shown, sizeof(shown)});
  } else {
    echo({&byte, 1});
  }
}

bool LineDiscipline::is_readable() const noexcept {
  return modes_.line_buffered ? !lines_.empty() : !input_.empty();
}

std::size_t LineDiscipline::readable_bytes() const noexcept {
  if (!modes_.line_buffered) {
    return input_.size();
  }
  return lines_.empty() ? 0 : lines_.front();
}

std::size_t LineDiscipline::read(std::span<const MutableByteSpan> targets) {
  std::size_t rest = readable_bytes();
  std::size_t count = 0;
  for (const MutableByteSpan target : targets) {
    const std::size_t taken = input_.pop(target.first(std::min(target.size(), rest)));
    rest -= taken;
    count += taken;
  }
  if (!lines_.empty()) {
    lines_.front() = rest;
    if (rest == 0) {
      lines_.pop_front();
    }
  }
  return count;
}

std::size_t LineDiscipline::write(ByteSpan bytes) {
  // A copy, because the program may change its bytes meanwhile; no more than there is room for.
  const std::string text(
      base::as_text(bytes.first(std::min(bytes.size(), kOutputBytesMax - output_.size()))));
  std::size_t count = 0;
  while (count < text.size()) {
    const std::size_t room = kOutputBytesMax - output_.size();
    if (modes_.line_feeds && text[count] == '\n') {
      if (room < 2) {
        break;
      }
      output_.push("\r\n");
      ++count;
      continue;
    }
    const std::size_t end = modes_.line_feeds ? text.find('\n', count) : std::string_view::npos;
    const std::string_view piece = std::string_view(text).substr(
        count, std::min(room, (end < text.size() ? end : text.size()) - count));
    if (piece.empty()) {
      break;
    }
    output_.push(piece);
    count += piece.size();
  }
  return count;
}

}  // namespace selvedge::wasix::internal
