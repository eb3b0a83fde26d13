#include "logs/log_entry.h"

#include <gtest/gtest.h>

#include <string>

namespace selvedge::logs {
namespace {

using std::chrono::microseconds;

Entry request_entry() {
  return {.sequence = 7,
          .time = base::WallTime(base::Duration(1'764'155'564'123'456'789)),
          .version = 3,
          .shard = 1,
          .instance = 12,
          .stream = Stream::kRequest,
          .request_id = "0123456789abcdef",
          .text = "/path",
          .request = RequestSummary{.method = "GET",
                                    .status = 502,
                                    .complete = true,
                                    .cold_start = true,
                                    .bytes = 1234,
                                    .duration = microseconds(567)}};
}

std::vector<std::byte> record_of(const Entry& entry) {
  std::vector<std::byte> bytes;
  append_record(bytes, entry);
  return bytes;
}

TEST(LogEntry, WhatIsWritten_IsRead) {
  const Entry request = request_entry();
  Entry line = request;
  line.stream = Stream::kStderr;
  line.request.reset();
  line.text = std::string("any \0 bytes \xff", 13);
  line.time = base::WallTime(base::Duration(-1));  // a clock before 1970
  Entry empty;
  for (const Entry& entry : {request, line, empty}) {
    const auto bytes = record_of(entry);
    const auto record = read_record(bytes);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->entry, entry);
    EXPECT_EQ(record->bytes, bytes.size());
  }
}

TEST(LogEntry, ASealedRecord_HasItsSequence_AnUnsealedOneIsNone) {
  const Entry request = request_entry();
  std::vector<std::byte> bytes(3);
  append_unsealed(bytes, request);
  const auto record = base::MutableByteSpan(bytes).subspan(3);
  EXPECT_EQ(record.size(), record_bytes(request));
  EXPECT_EQ(record_time(record), request.time);
  EXPECT_FALSE(read_record(record).has_value());
  seal_record(record, request.sequence + 5);
  const auto read = read_record(record);
  ASSERT_TRUE(read.has_value());
  Entry wanted = request;
  wanted.sequence += 5;
  EXPECT_EQ(read->entry, wanted);
}

TEST(LogEntry, EveryTruncation_IsNoRecord) {
  const auto bytes = record_of(request_entry());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(read_record(base::ByteSpan(bytes).first(size)).has_value()) << size;
  }
}

TEST(LogEntry, EveryChangedByte_IsNoRecord) {
  const auto bytes = record_of(request_entry());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= std::byte{0x40};
    EXPECT_FALSE(read_record(changed).has_value()) << i;
  }
}

TEST(LogEntry, WhatIsTooLong_IsCut) {
  Entry entry = request_entry();
  entry.text = std::string(kTextBytesMax + 1, 'x');
  entry.request_id = std::string(kRequestIdBytesMax + 1, 'i');
  entry.request->method = std::string(kMethodBytesMax + 1, 'M');
  const auto bytes = record_of(entry);
  EXPECT_LE(bytes.size(), kRecordBytesMax);
  EXPECT_EQ(bytes.size(), record_bytes(entry));
  const auto record = read_record(bytes);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->entry.text.size(), kTextBytesMax);
  EXPECT_EQ(record->entry.request_id.size(), kRequestIdBytesMax);
  EXPECT_EQ(record->entry.request->method.size(), kMethodBytesMax);
}

TEST(LogEntry, StreamsHaveNames) {
  for (const Stream stream :
       {Stream::kStdout, Stream::kStderr, Stream::kRequest, Stream::kPlatform}) {
    EXPECT_EQ(parse_stream(to_string(stream)), stream);
  }
  EXPECT_EQ(parse_stream("Stdout"), std::nullopt);
}

}  // namespace
}  // namespace selvedge::logs
