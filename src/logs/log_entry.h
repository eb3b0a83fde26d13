#pragma once

// One entry of an app's log, and how it lies in a file.
//
// A record is the size of its payload, a checksum of it, and the payload. Whatever ends a file
// early or damages it, a reader either gets an entry as it was written or is told that there is
// none.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace selvedge::logs {

// Who says it.
enum class Stream : std::uint8_t {
  kStdout,
  kStderr,
  kRequest,   // one line for each request
  kPlatform,  // what Selvedge says of the app: that it could not start, how it ended
};
inline constexpr std::size_t kStreamCount = 4;
std::string_view to_string(Stream stream);
std::optional<Stream> parse_stream(std::string_view text);

// From when an entry is said until it is handed to the disk.
inline constexpr base::Duration kEntryWaitTimeMax = std::chrono::seconds(2);

// Longer ones are cut.
inline constexpr std::size_t kTextBytesMax = 8192;
inline constexpr std::size_t kRequestIdBytesMax = 64;
inline constexpr std::size_t kMethodBytesMax = 32;

// With Stream::kRequest; the entry's text is the path.
struct RequestSummary {
  std::string method;
  std::uint16_t status = 0;  // 0: the client got none
  bool complete = false;     // the whole answer was sent
  bool cold_start = false;   // it waited for the version's start on its shard
  std::uint64_t bytes = 0;   // of the answer's content
  base::Duration duration{};

  friend bool operator==(const RequestSummary&, const RequestSummary&) = default;
};

struct Entry {
  std::uint64_t sequence = 0;  // counts an app's entries from 1; given by LogFiles
  base::WallTime time;
  std::uint64_t version = 0;  // 0: of none
  std::uint16_t shard = 0;
  std::uint64_t instance = 0;  // counts a version's on the shard from 1; 0: of none
  Stream stream = Stream::kPlatform;
  std::string request_id = {};
  std::string text = {};  // any bytes, without a line feed at the end
  std::optional<RequestSummary> request = std::nullopt;

  friend bool operator==(const Entry&, const Entry&) = default;
};

inline constexpr std::size_t kRecordHeadBytes = 4 + 8;
inline constexpr std::size_t kRecordBytesMax = kRecordHeadBytes + 10'240;

// Of the entry's record.
std::size_t record_bytes(const Entry& entry) noexcept;
// Appends the entry's record. What is too long is cut.
void append_record(std::vector<std::byte>& out, const Entry& entry);
// The same, but for what seal_record() gives it.
void append_unsealed(std::vector<std::byte>& out, const Entry& entry);
// Its sequence and its checksum.
void seal_record(base::MutableByteSpan record, std::uint64_t sequence) noexcept;
// That of the entry; of a record that was made by the above.
base::WallTime record_time(base::ByteSpan record) noexcept;

// How long the record is that begins with these kRecordHeadBytes. Invalid: none begins so.
Result<std::size_t> record_size(base::ByteSpan head);

struct Record {
  Entry entry;
  std::size_t bytes = 0;
};
// The record at the front. Invalid: it is damaged, or not whole.
Result<Record> read_record(base::ByteSpan bytes);

}  // namespace selvedge::logs
