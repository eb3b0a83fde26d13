#include "logs/log_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/format.h"
#include "logs/log_reader.h"
#include "store/testing/store_world.h"

namespace selvedge::logs {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LogFilesTest : public testing::Test {
 protected:
  std::filesystem::path folder() const { return folder_.path() / "logs"; }
  LogFiles open(LogLimits limits = {}) { return {folder(), limits}; }

  static Entry line(std::string text, int second = 0) {
    return {.time = base::WallTime(seconds(second)),
            .version = 1,
            .stream = Stream::kStderr,
            .text = std::move(text)};
  }
  static Entry at(std::string text, int milliseconds) {
    Entry entry = line(std::move(text));
    entry.time = base::WallTime(std::chrono::milliseconds(milliseconds));
    return entry;
  }
  static RecordBatch batch_of(const std::vector<Entry>& entries) {
    RecordBatch batch;
    for (const Entry& entry : entries) {
      batch.add(entry);
    }
    return batch;
  }
  static void write(LogFiles& files, const std::string& app, const std::vector<Entry>& entries) {
    RecordBatch batch = batch_of(entries);
    const auto written = files.append(app, batch);
    ASSERT_TRUE(written.has_value()) << written.error().message();
  }
  static void write(LogFiles& files, const std::string& app, const std::string& text) {
    write(files, app, std::vector{line(text)});
  }
  // A thousand bytes each.
  static void write_many(LogFiles& files, const std::string& app, int count) {
    for (int i = 0; i < count; ++i) {
      write(files, app, fmt::format("{:04} {}", i, std::string(940, 'x')));
    }
  }
  static std::vector<std::string> rest_of(LogReader& reader, std::uint64_t* missed = nullptr) {
    std::vector<std::string> texts;
    for (;;) {
      const auto batch = reader.read();
      EXPECT_TRUE(batch.has_value());
      if (!batch.has_value()) {
        return texts;
      }
      for (const Entry& entry : batch->entries) {
        texts.push_back(entry.text);
      }
      if (missed != nullptr) {
        *missed += batch->missed;
      }
      if (batch->at_end) {
        return texts;
      }
    }
  }
  std::vector<std::string> all_of(const std::string& app, LogQuery query = {}) {
    LogReader reader(folder() / app, std::move(query));
    return rest_of(reader);
  }
  std::vector<std::uint64_t> sequences_of(const std::string& app) {
    LogReader reader(folder() / app, {});
    const auto batch = reader.read();
    EXPECT_TRUE(batch.has_value() && batch->at_end);
    std::vector<std::uint64_t> sequences;
    for (const Entry& entry : batch->entries) {
      sequences.push_back(entry.sequence);
    }
    return sequences;
  }
  std::vector<std::string> last_of(const std::string& app, std::size_t count, LogQuery query = {}) {
    LogReader reader(folder() / app, std::move(query));
    EXPECT_TRUE(reader.seek_last(count).has_value());
    return rest_of(reader);
  }
  // Of what lies in the folder.
  std::uint64_t bytes_on_disk() const {
    std::uint64_t total = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder())) {
      total += entry.is_regular_file() ? entry.file_size() : 0;
    }
    return total;
  }
  std::filesystem::path newest_segment(const std::string& app) const {
    std::filesystem::path newest;
    for (const auto& entry : std::filesystem::directory_iterator(folder() / app)) {
      newest = std::max(newest, entry.path());
    }
    return newest;
  }

  store::testing::TemporaryFolder folder_;
};

TEST_F(LogFilesTest, EntriesOfSeveralShards_AreReadByTime_UnlessTheClockWasSetBack) {
  LogFiles files = open();
  write(files, "site", {at("second", 5100), at("fourth", 5300)});
  write(files, "site", {at("first", 5000), at("third", 5200)});
  write(files, "site", {at("set back", 1000), at("and on", 1100)});
  LogReader reader(files.folder_of("site"), {});
  EXPECT_THAT(rest_of(reader),
              ElementsAre("first", "second", "third", "fourth", "set back", "and on"));
}

TEST_F(LogFilesTest, TheLastEntriesOfSeveralShards_AreTheLastByTime) {
  LogFiles files = open();
  write(files, "site", {at("second", 1100), at("fourth", 1300)});
  write(files, "site", {at("first", 1000), at("third", 1200)});
  EXPECT_THAT(last_of("site", 1), ElementsAre("fourth"));
  EXPECT_THAT(last_of("site", 2), ElementsAre("third", "fourth"));
  EXPECT_THAT(last_of("site", 3), ElementsAre("second", "third", "fourth"));
  EXPECT_THAT(last_of("site", 4), ElementsAre("first", "second", "third", "fourth"));
  LogReader reader(files.folder_of("site"), {});
  ASSERT_TRUE(reader.seek_last(1).has_value());
  write(files, "site", {at("fifth", 1400)});
  EXPECT_THAT(rest_of(reader), ElementsAre("fourth", "fifth"));
}

TEST_F(LogFilesTest, WhatIsWritten_IsReadInOrder) {
  LogFiles files = open();
  write(files, "site", {line("one"), line("two")});
  write(files, "site", "three");
  write(files, "other", "else");
  EXPECT_THAT(all_of("site"), ElementsAre("one", "two", "three"));
  EXPECT_THAT(all_of("other"), ElementsAre("else"));
  EXPECT_THAT(all_of("unknown"), IsEmpty());
  EXPECT_EQ(files.total_bytes(), bytes_on_disk());
}

TEST_F(LogFilesTest, ARestart_GoesOnWhereTheLastOneEnded) {
  {
    LogFiles files = open();
    write(files, "site", {line("one"), line("two")});
  }
  LogFiles files = open();
  write(files, "site", "three");
  EXPECT_THAT(all_of("site"), ElementsAre("one", "two", "three"));
  EXPECT_THAT(sequences_of("site"), ElementsAre(1, 2, 3));
  EXPECT_EQ(files.total_bytes(), bytes_on_disk());
}

TEST_F(LogFilesTest, ATornRecord_IsSkippedAndOverwritten) {
  std::uint64_t whole = 0;
  {
    LogFiles files = open();
    write(files, "site", "one");
    whole = std::filesystem::file_size(newest_segment("site"));
    write(files, "site", "torn");
  }
  const auto segment = newest_segment("site");
  const std::uint64_t size = std::filesystem::file_size(segment);
  for (std::uint64_t cut = size - 1; cut >= whole; --cut) {
    std::filesystem::resize_file(segment, cut);
    EXPECT_THAT(all_of("site"), ElementsAre("one"));
  }
  // What a file system may leave after a loss of power.
  std::ofstream(segment, std::ios::app | std::ios::binary) << std::string(1000, '\0');
  LogFiles files = open();
  write(files, "site", "two");
  EXPECT_THAT(all_of("site"), ElementsAre("one", "two"));
  EXPECT_THAT(sequences_of("site"), ElementsAre(1, 2));
  EXPECT_EQ(files.total_bytes(), bytes_on_disk());
}

TEST_F(LogFilesTest, TwoProcesses_MayWriteSideBySide_WhileOneTakesOver) {
  LogFiles before = open();
  write(before, "site", "one");
  LogFiles after = open({.beside_another = true});
  write(after, "site", "two");
  write(before, "site", "three");
  write(after, "site", "four");
  write(before, "other", "else");
  write(after, "other", "more");
  // In the order of segments: the older process's first.
  EXPECT_THAT(all_of("site"), ElementsAre("one", "three", "two", "four"));
  EXPECT_THAT(all_of("other"), testing::UnorderedElementsAre("else", "more"));
}

TEST_F(LogFilesTest, ASegmentThatSomebodyElseRemoved_IsBegunAnew) {
  LogFiles files = open();
  write(files, "site", "one");
  std::filesystem::remove(newest_segment("site"));
  write(files, "site", "two");
  EXPECT_THAT(all_of("site"), ElementsAre("two"));
}

TEST_F(LogFilesTest, AnApp_HasABoundedRing) {
  LogFiles files = open({.app_bytes_max = kAppBytesMin});
  write_many(files, "site", 500);
  EXPECT_LE(bytes_on_disk(), kAppBytesMin);
  EXPECT_EQ(files.total_bytes(), bytes_on_disk());
  const auto kept = all_of("site");
  EXPECT_GT(kept.size(), 40U);
  EXPECT_THAT(kept.front(), HasSubstr(fmt::format("{:04}", 500 - kept.size())));
  EXPECT_THAT(kept.back(), HasSubstr("0499"));
}

TEST_F(LogFilesTest, OneBatch_MayBeLargerThanTheRing) {
  LogFiles files = open({.app_bytes_max = kAppBytesMin});
  std::vector<Entry> entries;
  for (int i = 0; i < 500; ++i) {
    entries.push_back(line(fmt::format("{:04} {}", i, std::string(940, 'x'))));
  }
  write(files, "site", std::move(entries));
  EXPECT_LE(bytes_on_disk(), kAppBytesMin);
  EXPECT_THAT(all_of("site").back(), HasSubstr("0499"));
}

TEST_F(LogFilesTest, AllAppsTogether_AreBounded_AndTheOldestGoesFirst) {
  constexpr std::uint64_t kTotal = 3 * kAppBytesMin;
  LogFiles files = open({.app_bytes_max = kAppBytesMin, .total_bytes_max = kTotal});
  write(files, "early", "first of all");
  for (const auto* app : {"a", "b", "c", "d"}) {
    write_many(files, app, 60);
    EXPECT_LE(bytes_on_disk(), kTotal);
  }
  EXPECT_THAT(all_of("early"), IsEmpty());
  EXPECT_LT(all_of("a").size(), 60U);
  EXPECT_GT(all_of("d").size(), 50U);
  EXPECT_EQ(files.total_bytes(), bytes_on_disk());
  // What is written to is not old.
  write(files, "a", "still here");
  EXPECT_EQ(all_of("a").back(), "still here");
}

TEST_F(LogFilesTest, TheBound_HoldsAfterARestartToo) {
  {
    LogFiles files = open();
    write_many(files, "a", 100);
    write_many(files, "b", 100);
  }
  LogFiles files = open({.app_bytes_max = kAppBytesMin, .total_bytes_max = kAppBytesMin});
  write_many(files, "b", 30);
  EXPECT_THAT(all_of("a"), IsEmpty());
  EXPECT_LE(bytes_on_disk(), 2 * kAppBytesMin);
}

TEST_F(LogFilesTest, ARemovedApp_LeavesNothing) {
  LogFiles files = open();
  write(files, "site", "secret");
  write(files, "other", "else");
  EXPECT_EQ(files.contains("site"), true);
  EXPECT_EQ(files.apps(), (std::vector<std::string>{"other", "site"}));
  ASSERT_TRUE(files.remove("site").has_value());
  EXPECT_EQ(files.contains("site"), false);
  EXPECT_FALSE(std::filesystem::exists(folder() / "site"));
  EXPECT_THAT(all_of("other"), ElementsAre("else"));
  EXPECT_TRUE(files.remove("site").has_value());
  write(files, "site", "new");
  EXPECT_THAT(all_of("site"), ElementsAre("new"));
}

TEST_F(LogFilesTest, WhatCouldNotBeWritten_IsCounted) {
  LogFiles files = open();
  // In the way.
  std::filesystem::create_directories(folder());
  std::ofstream(folder() / "site") << "a file";
  for (int i = 0; i < 3; ++i) {
    RecordBatch batch = batch_of({line("lost"), line("lost")});
    EXPECT_FALSE(files.append("site", batch).has_value());
  }
  std::filesystem::remove(folder() / "site");
  write(files, "site", "there");
  EXPECT_THAT(all_of("site"), ElementsAre(HasSubstr("6 entries are missing here"), "there"));
}

TEST_F(LogFilesTest, AQuery_ChoosesEntries) {
  LogFiles files = open();
  Entry request = line("/path", 20);
  request.stream = Stream::kRequest;
  request.request_id = "abc";
  request.request = RequestSummary{.method = "GET", .status = 200};
  Entry second = line("second version", 30);
  second.version = 2;
  // The clock was set back in between.
  write(files, "site", {line("first", 10), request, second, line("back", 5), line("last", 40)});
  EXPECT_THAT(all_of("site", {.from = base::WallTime(seconds(20))}),
              ElementsAre("/path", "second version", "last"));
  EXPECT_THAT(all_of("site", {.until = base::WallTime(seconds(20))}), ElementsAre("first", "back"));
  EXPECT_THAT(all_of("site", {.version = 2}), ElementsAre("second version"));
  EXPECT_THAT(all_of("site", {.stream = Stream::kRequest}), ElementsAre("/path"));
  EXPECT_THAT(all_of("site", {.request_id = "abc"}), ElementsAre("/path"));
  EXPECT_THAT(all_of("site", {.request_id = "ab"}), IsEmpty());
}

TEST_F(LogFilesTest, TheLastEntries_AreCountedAmongThoseThatMatch) {
  LogFiles files = open({.app_bytes_max = kAppBytesMin});
  write_many(files, "site", 40);  // several segments
  Entry second = line("second version");
  second.version = 2;
  write(files, "site", {second});
  write_many(files, "site", 3);
  EXPECT_EQ(last_of("site", 44).size(), 44U);
  EXPECT_EQ(last_of("site", 1000).size(), 44U);
  EXPECT_EQ(last_of("site", 20).size(), 20U);
  EXPECT_THAT(last_of("site", 20).back(), HasSubstr("0002"));
  EXPECT_THAT(last_of("site", 1, {.version = 2}), ElementsAre("second version"));
  EXPECT_THAT(last_of("site", 0), IsEmpty());
}

TEST_F(LogFilesTest, AReader_FollowsAndIsToldWhatItMissed) {
  LogFiles files = open({.app_bytes_max = kAppBytesMin});
  LogReader reader(folder() / "site", {});
  ASSERT_TRUE(reader.seek_last(0).has_value());
  EXPECT_THAT(rest_of(reader), IsEmpty());
  write(files, "site", "one");
  std::uint64_t missed = 0;
  EXPECT_THAT(rest_of(reader, &missed), ElementsAre("one"));
  EXPECT_THAT(rest_of(reader, &missed), IsEmpty());
  EXPECT_EQ(missed, 0U);
  write_many(files, "site", 300);
  const auto kept = rest_of(reader, &missed);
  EXPECT_GT(kept.size(), 40U);
  EXPECT_EQ(kept.size() + missed, 300U);
  write(files, "site", "two");
  EXPECT_THAT(rest_of(reader), ElementsAre("two"));
}

TEST_F(LogFilesTest, DamageInAnOldSegment_CostsItsRestOnly) {
  LogFiles files = open({.app_bytes_max = kAppBytesMin});
  write_many(files, "site", 20);
  std::vector<std::filesystem::path> segments;
  for (const auto& entry : std::filesystem::directory_iterator(folder() / "site")) {
    segments.push_back(entry.path());
  }
  std::ranges::sort(segments);
  ASSERT_GT(segments.size(), 2U);
  std::fstream file(segments[0], std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(2500);
  file << "damage";
  file.close();
  LogReader reader(folder() / "site", {});
  std::uint64_t missed = 0;
  const auto kept = rest_of(reader, &missed);
  EXPECT_EQ(kept.size() + missed, 20U);
  EXPECT_GT(missed, 0U);
  EXPECT_THAT(kept.back(), HasSubstr("0019"));
}

}  // namespace
}  // namespace selvedge::logs
