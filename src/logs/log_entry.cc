#include "logs/log_entry.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "crypto/blake3.h"

namespace selvedge::logs {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::array<std::string_view, kStreamCount> kStreamNames{"stdout", "stderr", "request",
                                                                  "platform"};
// Format, stream, sequence, time, version, shard, instance, size of the request's id.
constexpr std::size_t kPayloadBytesMin = 1 + 1 + 8 + 8 + 8 + 2 + 8 + 1;
constexpr std::size_t kPayloadBytesMax = kRecordBytesMax - kRecordHeadBytes;
// Where they are in a record.
constexpr std::size_t kChecksumOffset = 4;
constexpr std::size_t kSequenceOffset = kRecordHeadBytes + 2;
constexpr std::size_t kTimeOffset = kSequenceOffset + 8;
// Status, flags, bytes, duration, size of the method.
constexpr std::size_t kSummaryBytesMin = 2 + 1 + 8 + 8 + 1;
constexpr std::uint8_t kComplete = 1;
constexpr std::uint8_t kColdStart = 2;
static_assert(kPayloadBytesMin + kRequestIdBytesMax + kSummaryBytesMin + kMethodBytesMax +
                  kTextBytesMax <=
              kPayloadBytesMax);

std::uint64_t checksum(base::ByteSpan payload) {
  const crypto::Blake3Hash hash = crypto::blake3(payload);
  return base::ByteReader(hash.bytes()).read_le<std::uint64_t>();
}

struct Cut {
  explicit Cut(const Entry& entry) noexcept
      : id(std::string_view(entry.request_id).substr(0, kRequestIdBytesMax)),
        method(entry.request.has_value()
                   ? std::string_view(entry.request->method).substr(0, kMethodBytesMax)
                   : std::string_view()),
        text(std::string_view(entry.text).substr(0, kTextBytesMax)) {}

  std::string_view id;
  std::string_view method;
  std::string_view text;
};

void write_text(base::ByteWriter& writer, std::string_view text) {
  writer.write_bytes(base::as_bytes(text));
}

void write_summary(base::ByteWriter& writer, const RequestSummary& request,
                   std::string_view method) {
  writer.write_le(request.status);
  writer.write_le(static_cast<std::uint8_t>((request.complete ? kComplete : 0) |
                                            (request.cold_start ? kColdStart : 0)));
  writer.write_le(request.bytes);
  writer.write_le(static_cast<std::uint64_t>(request.duration.count()));
  writer.write_le(static_cast<std::uint8_t>(method.size()));
  write_text(writer, method);
}

bool read_summary(base::ByteReader& reader, RequestSummary& request) {
  request.status = reader.read_le<std::uint16_t>();
  const auto flags = reader.read_le<std::uint8_t>();
  request.complete = (flags & kComplete) != 0;
  request.cold_start = (flags & kColdStart) != 0;
  request.bytes = reader.read_le<std::uint64_t>();
  request.duration = base::Duration(static_cast<std::int64_t>(reader.read_le<std::uint64_t>()));
  const auto method = reader.read_le<std::uint8_t>();
  request.method = base::as_text(reader.read_bytes(method));
  return reader.ok() && flags <= (kComplete | kColdStart) && method <= kMethodBytesMax;
}

std::unexpected<Error> damaged() {
  return fail(ErrorKind::kInvalid, "this is not a whole record of a log");
}

Result<Entry> read_payload(base::ByteSpan payload) {
  base::ByteReader reader(payload);
  const auto format = reader.read_le<std::uint8_t>();
  const auto stream = reader.read_le<std::uint8_t>();
  Entry entry;
  entry.sequence = reader.read_le<std::uint64_t>();
  entry.time =
      base::WallTime(base::Duration(static_cast<std::int64_t>(reader.read_le<std::uint64_t>())));
  entry.version = reader.read_le<std::uint64_t>();
  entry.shard = reader.read_le<std::uint16_t>();
  entry.instance = reader.read_le<std::uint64_t>();
  const auto id_bytes = reader.read_le<std::uint8_t>();
  entry.request_id = base::as_text(reader.read_bytes(id_bytes));
  if (!reader.ok() || format != kFormat || stream >= kStreamCount ||
      id_bytes > kRequestIdBytesMax) {
    return damaged();
  }
  entry.stream = static_cast<Stream>(stream);
  if (entry.stream == Stream::kRequest && !read_summary(reader, entry.request.emplace())) {
    return damaged();
  }
  if (reader.remaining() > kTextBytesMax) {
    return damaged();
  }
  entry.text = base::as_text(reader.read_bytes(reader.remaining()));
  return entry;
}

}  // namespace

std::string_view to_string(Stream stream) {
  return kStreamNames.at(static_cast<std::size_t>(stream));
}

std::optional<Stream> parse_stream(std::string_view text) {
  const auto found = std::ranges::find(kStreamNames, text);
  return found == kStreamNames.end() ? std::nullopt
                                     : std::optional(static_cast<Stream>(
                                           std::ranges::distance(kStreamNames.begin(), found)));
}

std::size_t record_bytes(const Entry& entry) noexcept {
  const Cut cut(entry);
  return kRecordHeadBytes + kPayloadBytesMin + cut.id.size() + cut.text.size() +
         (entry.stream == Stream::kRequest ? kSummaryBytesMin + cut.method.size() : 0);
}

void append_unsealed(std::vector<std::byte>& out, const Entry& entry) {
  const Cut cut(entry);
  const std::size_t begin = out.size();
  const std::size_t size = record_bytes(entry);
  out.resize(begin + size);
  base::ByteWriter record(base::MutableByteSpan(out).subspan(begin));
  record.write_le(static_cast<std::uint32_t>(size - kRecordHeadBytes));
  record.write_le(std::uint64_t{0});
  record.write_le(kFormat);
  record.write_le(static_cast<std::uint8_t>(entry.stream));
  record.write_le(std::uint64_t{0});
  record.write_le(static_cast<std::uint64_t>(entry.time.time_since_epoch().count()));
  record.write_le(entry.version);
  record.write_le(entry.shard);
  record.write_le(entry.instance);
  record.write_le(static_cast<std::uint8_t>(cut.id.size()));
  write_text(record, cut.id);
  if (entry.stream == Stream::kRequest) {
    write_summary(record, entry.request.value_or(RequestSummary()), cut.method);
  }
  write_text(record, cut.text);
  SELVEDGE_ASSERT(record.ok() && record.position() == size);
}

void seal_record(base::MutableByteSpan record, std::uint64_t sequence) noexcept {
  base::ByteWriter(record.subspan(kSequenceOffset)).write_le(sequence);
  base::ByteWriter(record.subspan(kChecksumOffset))
      .write_le(checksum(record.subspan(kRecordHeadBytes)));
}

void append_record(std::vector<std::byte>& out, const Entry& entry) {
  const std::size_t begin = out.size();
  append_unsealed(out, entry);
  seal_record(base::MutableByteSpan(out).subspan(begin), entry.sequence);
}

base::WallTime record_time(base::ByteSpan record) noexcept {
  return base::WallTime(base::Duration(static_cast<std::int64_t>(
      base::ByteReader(record.subspan(kTimeOffset)).read_le<std::uint64_t>())));
}

Result<std::size_t> record_size(base::ByteSpan head) {
  const auto payload_bytes = base::ByteReader(head).read_le<std::uint32_t>();
  if (payload_bytes < kPayloadBytesMin || payload_bytes > kPayloadBytesMax) {
    return damaged();
  }
  return kRecordHeadBytes + payload_bytes;
}

Result<Record> read_record(base::ByteSpan bytes) {
  SELVEDGE_TRY(const std::size_t size, record_size(bytes));
  if (bytes.size() < size) {
    return damaged();
  }
  const base::ByteSpan payload = bytes.subspan(kRecordHeadBytes, size - kRecordHeadBytes);
  if (base::ByteReader(bytes.subspan(kChecksumOffset)).read_le<std::uint64_t>() !=
      checksum(payload)) {
    return damaged();
  }
  SELVEDGE_TRY(Entry entry, read_payload(payload));
  return Record{.entry = std::move(entry), .bytes = size};
}

}  // namespace selvedge::logs
