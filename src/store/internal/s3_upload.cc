#include "store/internal/s3_upload.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/log.h"
#include "store/internal/s3_xml.h"

namespace selvedge::store::internal {
namespace {

constexpr std::uint64_t kAnswerBytesMax = std::uint64_t{64} << 10;
// A page of 1,000 uploads with their names and numbers.
constexpr std::uint64_t kUploadsBytesMax = std::uint64_t{8} << 20;

// One blob on its way, in parts.
class MultipartUpload {
 public:
  MultipartUpload(S3Client& client, std::string key, std::string id) noexcept
      : client_(client), key_(std::move(key)), id_(std::move(id)) {}

  Result<> put_part(base::ByteSpan bytes) {
    const std::size_t number = etags_.size() + 1;
    const S3Request request{.method = "PUT",
                            .key = key_,
                            .query = {{"partNumber", fmt::format("{}", number)}, {"uploadId", id_}},
                            .content = bytes,
                            .answer_bytes_max = kAnswerBytesMax};
    SELVEDGE_TRY(S3Answer answer, client_.perform(request));
    if (!answer.is_success() || !is_safe_etag(answer.etag)) {
      return fail(client_.error_of(request, answer));
    }
    etags_.push_back(std::move(answer.etag));
    return {};
  }

  Result<> complete(std::uint64_t size) {
    std::string xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (std::size_t i = 0; i < etags_.size(); ++i) {
      fmt::format_to(std::back_inserter(xml),
                     "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1, etags_[i]);
    }
    xml += "</CompleteMultipartUpload>";
    const S3Request request{.method = "POST",
                            .key = key_,
                            .query = {{"uploadId", id_}},
                            .content = base::as_bytes(xml),
                            .answer_bytes_max = kAnswerBytesMax};
    SELVEDGE_TRY(S3Answer answer, client_.perform(request));
    // The status is sent before the parts are joined: an error may follow in the content.
    answer.error = parse_error_answer(answer.content);
    if (answer.is_success() && answer.error.code.empty()) {
      return {};
    }
    // Of an upload that an earlier try completed nothing is left but the object.
    if (answer.in_doubt && answer.error.code == "NoSuchUpload") {
      const S3Request head{.method = "HEAD", .key = key_};
      SELVEDGE_TRY(const S3Answer found, client_.perform(head));
      if (found.is_success() && found.content_length == size) {
        return {};
      }
    }
    return fail(client_.error_of(request, answer));
  }

  void abort() {
    const S3Request request{.method = "DELETE", .key = key_, .query = {{"uploadId", id_}}};
    if (const auto answer = client_.perform(request); !answer || !answer->is_success()) {
      log::warning("store upload could not be given up key={}", key_);
    }
  }

 private:
  S3Client& client_;
  std::string key_;
  std::string id_;
  std::vector<std::string> etags_;
};

Result<> upload_whole(S3Client& client, BlobSource& source) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(source.size()));
  SELVEDGE_TRY_VOID(source.read(bytes));
  SELVEDGE_TRY_VOID(source.finish());
  const Key key = blob_key(source.hash());
  const S3Request request{
      .method = "PUT", .key = key.text(), .content = bytes, .answer_bytes_max = kAnswerBytesMax};
  SELVEDGE_TRY(const S3Answer answer, client.perform(request));
  if (!answer.is_success()) {
    return fail(client.error_of(request, answer));
  }
  return {};
}

Result<> upload_parts(MultipartUpload& upload, BlobSource& source, std::size_t part_bytes) {
  std::vector<std::byte> part(part_bytes);
  while (source.remaining() > 0) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(source.remaining(), part_bytes));
    const base::MutableByteSpan bytes = base::MutableByteSpan(part).first(size);
    SELVEDGE_TRY_VOID(source.read(bytes));
    SELVEDGE_TRY_VOID(upload.put_part(bytes));
  }
  SELVEDGE_TRY_VOID(source.finish());
  return upload.complete(source.size());
}

}  // namespace

Result<> upload_blob(S3Client& client, BlobSource& source, std::size_t part_bytes) {
  if (source.size() <= part_bytes) {
    return upload_whole(client, source);
  }
  const Key key = blob_key(source.hash());
  const S3Request request{.method = "POST",
                          .key = key.text(),
                          .query = {{"uploads", ""}},
                          .answer_bytes_max = kAnswerBytesMax};
  SELVEDGE_TRY(const S3Answer answer, client.perform(request));
  if (!answer.is_success()) {
    return fail(client.error_of(request, answer));
  }
  SELVEDGE_TRY(std::string id, parse_upload_id(answer.content));
  MultipartUpload upload(client, key.text(), std::move(id));
  auto done = upload_parts(upload, source, part_bytes);
  if (!done) {
    upload.abort();
  }
  return done;
}

Result<std::size_t> abort_uploads(S3Client& client, std::int64_t before) {
  const std::string prefix(fmt::format("{}/", kBlobFolder));
  const S3Request request{.method = "GET",
                          .query = {{"encoding-type", "url"}, {"prefix", prefix}, {"uploads", ""}},
                          .answer_bytes_max = kUploadsBytesMax};
  SELVEDGE_TRY(const S3Answer answer, client.perform(request));
  if (!answer.is_success()) {
    return fail(client.error_of(request, answer));
  }
  SELVEDGE_TRY(const auto uploads, parse_uploads_answer(answer.content));
  std::size_t aborted = 0;
  for (const S3Upload& upload : uploads) {
    if (upload.begun < before && upload.key.starts_with(prefix)) {
      const S3Request removal{
          .method = "DELETE", .key = upload.key, .query = {{"uploadId", upload.id}}};
      SELVEDGE_TRY(const S3Answer removed, client.perform(removal));
      if (!removed.is_success() && removed.status != 404) {
        return fail(client.error_of(removal, removed));
      }
      ++aborted;
    }
  }
  return aborted;
}

}  // namespace selvedge::store::internal
