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
// Status, flags, bytes, duration, size of the method.
constexpr std::size_t kSummaryBytesMin = 2 + 1 + 8 + 8 + 1;
constexpr std::uint8_t kComplete = 1;
constexpr std::uint8_t kColdStart = 2;
static_assert(kPayloadBytesMin + kRequestIdBytesMax + kSummaryBytesMin + kMethodBytesMax +
                  kTextBytesMax <=
              kPayloadBytesMax);

std::uint64_t checksum(base::ByteSpan payload) {
  crypto::Blake3Hasher hasher;
  hasher.update(payload);
  std::array<std::byte, 8> bytes{};
  hasher.finalize_into(bytes);
  return base::ByteReader(bytes).read_le<std::uint64_t>();
}

void write_text(base::ByteWriter& writer, std::string_view text) {
  writer.write_bytes(base::as_bytes(text));
}

void write_summary(base::ByteWriter& writer, const RequestSummary& request) {
  const std::string_view method = std::string_view(request.method).substr(0, kMethodBytesMax);
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

void append_record(std::vector<std::byte>& out, const Entry& entry) {
  std::array<std::byte, kRecordBytesMax> bytes;
  base::ByteWriter payload(base::MutableByteSpan(bytes).subspan(kRecordHeadBytes));
  const std::string_view id = std::string_view(entry.request_id).substr(0, kRequestIdBytesMax);
  payload.write_le(kFormat);
  payload.write_le(static_cast<std::uint8_t>(entry.stream));
  payload.write_le(entry.sequence);
  payload.write_le(static_cast<std::uint64_t>(entry.time.time_since_epoch().count()));
  payload.write_le(entry.version);
  payload.write_le(entry.shard);
  payload.write_le(entry.instance);
  payload.write_le(static_cast<std::uint8_t>(id.size()));
  write_text(payload, id);
  if (entry.stream == Stream::kRequest) {
    write_summary(payload, entry.request.value_or(RequestSummary()));
  }
  write_text(payload, std::string_view(entry.text).substr(0, kTextBytesMax));
  SELVEDGE_ASSERT(payload.ok());
  base::ByteWriter head{base::MutableByteSpan(bytes).first(kRecordHeadBytes)};
  head.write_le(static_cast<std::uint32_t>(payload.position()));
  head.write_le(checksum(payload.written()));
  const auto record = base::ByteSpan(bytes).first(kRecordHeadBytes + payload.position());
  out.insert(out.end(), record.begin(), record.end());
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
  if (base::ByteReader(bytes.subspan(4)).read_le<std::uint64_t>() != checksum(payload)) {
    return damaged();
  }
  SELVEDGE_TRY(Entry entry, read_payload(payload));
  return Record{.entry = std::move(entry), .bytes = size};
}

}  // namespace selvedge::logs
