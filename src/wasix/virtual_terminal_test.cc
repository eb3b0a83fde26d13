#include "wasix/virtual_terminal.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/system.h"
#include "io/kernel_reactor.h"

namespace selvedge::wasix {
namespace {

using internal::LineDiscipline;

constexpr std::string_view kErased = "\b \b";

class VirtualTerminalTest : public ::testing::Test {
 protected:
  // Byte for byte, as keys come; how many were taken.
  std::size_t type(std::string_view keys) {
    std::size_t count = 0;
    for (const char& key : keys) {
      count += terminal_->receive(base::as_bytes(std::string_view(&key, 1)));
    }
    return count;
  }
  std::size_t paste(std::string_view text) { return terminal_->receive(base::as_bytes(text)); }
  ErrnoResult<std::string> read(std::size_t size = 100) {
    std::string text(size, '\0');
    const MutableByteSpan bytes = std::as_writable_bytes(std::span(text));
    SELVEDGE_TRY_ERRNO(const std::size_t count, input_->try_read(std::span(&bytes, 1)));
    text.resize(count);
    return text;
  }
  ErrnoResult<std::size_t> write(std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    return output_->try_write(std::span(&bytes, 1));
  }
  // What the user got to see since the last call.
  std::string shown(std::size_t size = 2 * LineDiscipline::kOutputBytesMax) {
    std::string text(size, '\0');
    text.resize(terminal_->take_output(std::as_writable_bytes(std::span(text))));
    return text;
  }
  void set_modes(TerminalModes modes) { EXPECT_EQ(terminal_->set_modes(modes), Errno::kSuccess); }
  void set_raw() { set_modes({.echo = false, .line_buffered = false}); }
  bool would_block() { return read() == ErrnoResult<std::string>(std::unexpected(Errno::kAgain)); }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_ = *io::KernelReactor::create(clock_);
  std::vector<Signal> signals_;
  std::shared_ptr<VirtualTerminal> terminal_ = VirtualTerminal::create(
      *reactor_, {.size = {.columns = 80, .rows = 24},
                  .on_signal = [this](Signal signal) { signals_.push_back(signal); }});
  std::shared_ptr<Handle> input_ = terminal_->input();
  std::shared_ptr<Handle> output_ = terminal_->output();
};

TEST_F(VirtualTerminalTest, Handles_LookLikeATerminal) {
  for (const auto& handle : {input_, output_}) {
    EXPECT_EQ(handle->filetype(), Filetype::kCharacterDevice);
    EXPECT_FALSE(has_any(handle->rights_base(), Rights::kFdSeek | Rights::kFdTell));
  }
  EXPECT_TRUE(output_->counts_as_output());
  EXPECT_EQ(input_->try_write({}).error(), Errno::kBadf);
  EXPECT_EQ(output_->try_read({}).error(), Errno::kBadf);
}

TEST_F(VirtualTerminalTest, Line_ComesWhole_WhenItEnds) {
  type("hello");
  EXPECT_TRUE(would_block());
  EXPECT_FALSE(input_->readable()->is_set());
  EXPECT_EQ(shown(), "hello");
  type("\r");
  EXPECT_TRUE(input_->readable()->is_set());
  EXPECT_EQ(input_->read_readiness().bytes, 6U);
  EXPECT_EQ(read(), "hello\n");
  EXPECT_EQ(shown(), "\r\n");
  EXPECT_FALSE(input_->readable()->is_set());
}

TEST_F(VirtualTerminalTest, Read_EndsWithTheLine_AndMayTakeItInParts) {
  paste("one\ntwo\n");
  EXPECT_EQ(read(2), "on");
  EXPECT_EQ(read(), "e\n");
  EXPECT_EQ(read(0), "");
  EXPECT_EQ(read(4), "two\n");
  EXPECT_TRUE(would_block());
}

TEST_F(VirtualTerminalTest, Erase_TakesACharacter_AndItsCells) {
  type("ab\x7F");
  EXPECT_EQ(shown(), "ab" + std::string(kErased));
  type("\b\b\x7F");  // more than there is
  EXPECT_EQ(shown(), kErased);
  type("\xC3\xA9\x7Fx\x01\x7F\r");
  EXPECT_EQ(shown(), "\xC3\xA9\b \bx^A\b \b\b \b\r\n");
  EXPECT_EQ(read(), "x\n");
}

TEST_F(VirtualTerminalTest, Tab_IsShownAsBlanks_SoThatErasingItFits) {
  type("abc\t\x7Fz\n");
  EXPECT_EQ(shown(), "abc     \b \b\b \b\b \b\b \b\b \bz\r\n");
  EXPECT_EQ(read(), "abcz\n");
  type("a\tb\n");
  EXPECT_EQ(read(), "a\tb\n");
}

TEST_F(VirtualTerminalTest, Kill_TakesTheLine) {
  type("wrong\x15right\n");
  EXPECT_EQ(shown(), "wrong\b \b\b \b\b \b\b \b\b \bright\r\n");
  EXPECT_EQ(read(), "right\n");
}

TEST_F(VirtualTerminalTest, WordErase_TakesAWord_AndTheBlanksBehindIt) {
  type("one two  \x17");
  EXPECT_EQ(shown(), "one two  \b \b\b \b\b \b\b \b\b \b");
  type("\x17\x17six\n");
  EXPECT_EQ(read(), "six\n");
}

TEST_F(VirtualTerminalTest, EndOfFile_AtTheBeginning_EndsTheInputOnce) {
  type("\x04");
  EXPECT_TRUE(input_->readable()->is_set());
  EXPECT_EQ(read(), "");
  EXPECT_TRUE(would_block());
  EXPECT_EQ(shown(), "");
  type("go on\n");
  EXPECT_EQ(read(), "go on\n");
}

TEST_F(VirtualTerminalTest, EndOfFile_InALine_HandsItOver) {
  type("part\x04");
  EXPECT_EQ(read(), "part");
  EXPECT_TRUE(would_block());
}

TEST_F(VirtualTerminalTest, Echo_ShowsControlCharacters) {
  type("\x1B[A\x01\n");
  EXPECT_EQ(shown(), "^[[A^A\r\n");
  EXPECT_EQ(read(), "\x1B[A\x01\n");
}

TEST_F(VirtualTerminalTest, WithoutEcho_NothingIsShown) {
  set_modes({.echo = false});
  type("secrex\x7Ft\x15secret\x03hidden\n");
  EXPECT_EQ(shown(), "");
  EXPECT_EQ(read(), "hidden\n");
}

TEST_F(VirtualTerminalTest, Raw_GivesEachByteAsItIs) {
  set_raw();
  for (const std::string_view key : {"a", "\r", "\n", "\x7F", "\b", "\x04", "\x15", "\x17"}) {
    type(key);
    EXPECT_TRUE(input_->readable()->is_set());
    EXPECT_EQ(read(), key);
    EXPECT_TRUE(would_block());
  }
  EXPECT_EQ(shown(), "");
}

TEST_F(VirtualTerminalTest, Raw_WithEcho_ShowsKeys) {
  set_modes({.echo = true, .line_buffered = false});
  type("a\x7F\r\n\t");
  EXPECT_EQ(shown(), "a^?^M\r\n\t");
  EXPECT_EQ(read(), "a\x7F\r\n\t");
}

TEST_F(VirtualTerminalTest, ModeChanges_LoseNothing) {
  type("ready\nhalf");
  set_raw();
  EXPECT_EQ(read(), "ready\nhalf");
  type("more");
  set_modes({});
  EXPECT_TRUE(input_->readable()->is_set());
  EXPECT_EQ(read(2), "mo");
  type("next\n");
  EXPECT_EQ(read(), "re");
  EXPECT_EQ(read(), "next\n");
  type("begun");
  EXPECT_FALSE(input_->readable()->is_set());
  set_raw();
  EXPECT_TRUE(input_->readable()->is_set());
}

TEST_F(VirtualTerminalTest, SignalKeys_AreReported_InEveryMode_AndDropWhatWasTyped) {
  paste("finished\nhalf\x03");
  EXPECT_EQ(signals_, std::vector{Signal::kInt});
  EXPECT_EQ(shown(), "finished\r\nhalf^C");
  EXPECT_TRUE(would_block());
  EXPECT_FALSE(input_->readable()->is_set());
  type("\x1C\x1A");
  EXPECT_EQ(shown(), "^\\^Z");
  set_raw();
  EXPECT_EQ(paste("a\x03z\x1A"), 4U);
  EXPECT_EQ(signals_,
            (std::vector{Signal::kInt, Signal::kQuit, Signal::kTstp, Signal::kInt, Signal::kTstp}));
  EXPECT_TRUE(would_block());
}

TEST_F(VirtualTerminalTest, SignalKeys_WithoutASink_OnlyDropWhatWasTyped) {
  terminal_ = VirtualTerminal::create(*reactor_, {});
  input_ = terminal_->input();
  type("a\x03z\n");
  EXPECT_EQ(read(), "z\n");
}

TEST_F(VirtualTerminalTest, Output_LineFeeds_AreMapped) {
  EXPECT_EQ(write("one\ntwo\n\n\r\x1B[m"), 13U);
  EXPECT_EQ(shown(), "one\r\ntwo\r\n\r\n\r\x1B[m");
  set_modes({.line_feeds = false});
  EXPECT_EQ(write("a\nb"), 3U);
  type("c\n");
  EXPECT_EQ(shown(), "a\nbc\n");
}

TEST_F(VirtualTerminalTest, Line_IsBounded_WithRoomForItsEnd) {
  const std::string full(LineDiscipline::kLineBytesMax - 1, 'x');
  EXPECT_EQ(type(full), full.size());
  shown();
  type("yz");
  EXPECT_EQ(shown(), "\a\a");
  type("\n");
  EXPECT_EQ(read(LineDiscipline::kLineBytesMax + 1), full + "\n");
}

TEST_F(VirtualTerminalTest, Input_IsBounded_AndGoesOnAtTheLowMark) {
  set_raw();
  const std::string much(LineDiscipline::kInputBytesMax + 10, 'x');
  EXPECT_EQ(paste(much), LineDiscipline::kInputBytesMax);
  EXPECT_FALSE(terminal_->receivable().is_set());
  EXPECT_EQ(paste("y"), 0U);
  EXPECT_EQ(read(LineDiscipline::kInputBytesLow - 1)->size(), LineDiscipline::kInputBytesLow - 1);
  EXPECT_FALSE(terminal_->receivable().is_set());
  EXPECT_EQ(read(1), "x");
  EXPECT_TRUE(terminal_->receivable().is_set());
  EXPECT_EQ(paste("y"), 1U);
}

TEST_F(VirtualTerminalTest, Input_OfEmptyLines_IsBounded) {
  const std::string ends(2 * LineDiscipline::kInputBytesMax, '\x04');
  EXPECT_EQ(paste(ends), LineDiscipline::kInputBytesMax);
}

TEST_F(VirtualTerminalTest, SignalKey_BehindBytesWithoutRoom_IsFound) {
  set_raw();
  paste(std::string(LineDiscipline::kInputBytesMax, 'x'));
  EXPECT_EQ(paste("yyy\x03z"), 5U);
  EXPECT_EQ(signals_, std::vector{Signal::kInt});
  EXPECT_TRUE(terminal_->receivable().is_set());
  EXPECT_EQ(read(), "z");
}

TEST_F(VirtualTerminalTest, Output_IsBounded_AndGoesOnAtTheLowMark) {
  const std::string much(LineDiscipline::kOutputBytesMax - 1, 'x');
  EXPECT_EQ(write(much), much.size());
  EXPECT_EQ(write("\n").error(), Errno::kAgain);  // a CR alone would be no line end
  EXPECT_FALSE(output_->writable()->is_set());
  EXPECT_EQ(write("yz"), 1U);
  EXPECT_EQ(write("z").error(), Errno::kAgain);
  EXPECT_EQ(type("a\x03"), 2U);  // keys do not wait; their echo is dropped
  EXPECT_EQ(signals_, std::vector{Signal::kInt});
  EXPECT_EQ(shown(LineDiscipline::kOutputBytesLow - 1).size(), LineDiscipline::kOutputBytesLow - 1);
  EXPECT_FALSE(output_->writable()->is_set());
  EXPECT_EQ(shown(1), "x");
  EXPECT_TRUE(output_->writable()->is_set());
  EXPECT_TRUE(terminal_->has_output().is_set());
  EXPECT_TRUE(shown().ends_with("xy"));
  EXPECT_FALSE(terminal_->has_output().is_set());
}

TEST_F(VirtualTerminalTest, Write_OfSeveralBuffers_IsOne) {
  const std::array pieces{base::as_bytes("a\n"), base::as_bytes(""), base::as_bytes("b")};
  EXPECT_EQ(output_->try_write(pieces), 3U);
  EXPECT_EQ(shown(), "a\r\nb");
}

TEST_F(VirtualTerminalTest, Resize_IsSeen_AndNotified) {
  struct Count final : io::EventObserver {
    Count() noexcept
        : EventObserver([](EventObserver& self) noexcept { ++static_cast<Count&>(self).count; }) {}
    int count = 0;
  } resizes;
  terminal_->resized().observe(resizes);
  const TerminalSize size{.columns = 132, .rows = 50, .width_pixels = 800, .height_pixels = 600};
  terminal_->resize(size);
  terminal_->resize(size);
  EXPECT_EQ(resizes.count, 1);
  EXPECT_EQ(terminal_->state()->size, size);
  EXPECT_EQ(terminal_->state()->modes, TerminalModes{});
}

TEST_F(VirtualTerminalTest, HangUp_EndsReads_AndFailsTheRest) {
  write("last words");
  type("line\n");
  terminal_->hang_up();
  EXPECT_EQ(read(), "");
  EXPECT_TRUE(input_->read_readiness().hangup);
  EXPECT_EQ(write("more").error(), Errno::kIo);
  EXPECT_EQ(terminal_->state().error(), Errno::kIo);
  EXPECT_EQ(terminal_->set_modes({}), Errno::kIo);
  EXPECT_EQ(paste("\x03"), 1U);
  EXPECT_TRUE(signals_.empty());
  EXPECT_EQ(shown(), "last wordsline\r\n");
}

TEST_F(VirtualTerminalTest, Handles_OutliveTheHostsSide) {
  type("line\n");
  terminal_.reset();
  EXPECT_EQ(read(), "line\n");
  EXPECT_EQ(write("x"), 1U);
}

}  // namespace
}  // namespace selvedge::wasix
