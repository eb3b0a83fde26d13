#include "store/s3_store.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "store/internal/document_frame.h"
#include "store/internal/s3_client.h"
#include "store/internal/s3_upload.h"
#include "store/internal/s3_xml.h"

namespace selvedge::store {
namespace {

using internal::kFrameHeadBytes;
using internal::S3Answer;
using internal::S3Request;

// A page of 1,000 keys of 512 encoded bytes, and what is around them.
constexpr std::uint64_t kListAnswerBytesMax = std::uint64_t{4} << 20;
constexpr std::uint64_t kSmallAnswerBytesMax = std::uint64_t{64} << 10;

internal::NameValues condition_headers(const Precondition& precondition) {
  if (precondition.is_absent()) {
    return {{"if-none-match", "*"}};
  }
  if (const Revision* revision = precondition.revision()) {
    return {{"if-match", revision->text()}};
  }
  return {};
}

bool is_host(std::string_view host) noexcept {
  return !host.empty() && host.size() <= 255 && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == ':' || c == '[' || c == ']';
  });
}

bool is_bucket(std::string_view bucket) noexcept {
  return bucket.size() >= 3 && bucket.size() <= 63 && bucket.front() != '.' &&
         std::ranges::all_of(bucket, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
         });
}

// Credentials go into header lines.
bool is_printable(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

Result<> check_options(S3StoreOptions& options) {
  std::string& endpoint = options.endpoint;
  if (endpoint.ends_with('/')) {
    endpoint.pop_back();
  }
  std::string_view host = endpoint;
  if (host.starts_with("https://")) {
    host.remove_prefix(8);
  } else if (host.starts_with("http://")) {
    host.remove_prefix(7);
  } else {
    host = {};
  }
  if (!is_host(host)) {
    return fail(ErrorKind::kInvalid,
                "the endpoint of an S3 store is https:// or http://, a host, and perhaps a port");
  }
  if (!is_bucket(options.bucket)) {
    return fail(ErrorKind::kInvalid,
                "the bucket of an S3 store has 3 to 63 characters out of a-z 0-9 . -");
  }
  if (options.credentials.access_key.empty() || options.credentials.secret_key.empty() ||
      options.region.empty() || !is_printable(options.region) ||
      !is_printable(options.credentials.access_key) ||
      !is_printable(options.credentials.session_token)) {
    return fail(ErrorKind::kInvalid,
                "an S3 store needs a region, an access key and a secret key, without blanks");
  }
  if (options.attempts_max < 1) {
    return fail(ErrorKind::kInvalid, "an S3 store needs at least one attempt");
  }
  return {};
}

}  // namespace

class S3Store::Impl {
 public:
  explicit Impl(S3StoreOptions options)
      : options_(std::move(options)), random_(options_.random), client_(options_, random_) {}

  internal::S3Client& client() noexcept { return client_; }
  internal::LockedRandom& random() noexcept { return random_; }

  struct Document {
    Object object;
    std::string write_id;
  };
  // nullopt when the document still has the revision `known`.
  Result<std::optional<Document>> read(const Key& key, const Revision* known,
                                       std::size_t bytes_max);
  // The present state; nullopt when there is none.
  Result<std::optional<Document>> find(const Key& key);
  Result<Revision> put(const Key& key, base::ByteSpan bytes, const Precondition& precondition);
  Result<> remove(const Key& key, const Precondition& precondition);

 private:
  S3StoreOptions options_;
  internal::LockedRandom random_;
  internal::S3Client client_;
};

Result<std::optional<S3Store::Impl::Document>> S3Store::Impl::read(const Key& key,
                                                                   const Revision* known,
                                                                   std::size_t bytes_max) {
  S3Request request{.method = "GET", .key = key.text()};
  request.answer_bytes_max = kFrameHeadBytes + std::uint64_t{bytes_max};
  if (known != nullptr) {
    request.headers.emplace_back("if-none-match", known->text());
  }
  SELVEDGE_TRY(const S3Answer answer, client_.perform(request));
  if (answer.status == 304 && known != nullptr) {
    return std::nullopt;
  }
  if (!answer.is_success()) {
    return fail(client_.error_of(request, answer));
  }
  auto document = internal::parse_document(answer.content);
  if (document && !internal::is_safe_etag(answer.etag)) {
    return fail_format(ErrorKind::kInternal, "{}: the server sends no entity tag",
                       client_.name_of(key.text()));
  }
  if (!document) {
    return fail(std::move(document).error().with_context(client_.name_of(key.text())));
  }
  return Document{.object = {.bytes = {document->bytes.begin(), document->bytes.end()},
                             .revision = Revision(answer.etag)},
                  .write_id = std::move(document->write_id)};
}

Result<std::optional<S3Store::Impl::Document>> S3Store::Impl::find(const Key& key) {
  auto found = read(key, nullptr, kDocumentBytesMax);
  if (!found && found.error().kind() == ErrorKind::kNotFound) {
    return std::nullopt;
  }
  return found;
}

Result<Revision> S3Store::Impl::put(const Key& key, base::ByteSpan bytes,
                                    const Precondition& precondition) {
  const std::string write_id = internal::make_write_id(random_);
  const auto frame = internal::frame_document(write_id, bytes);
  const S3Request request{.method = "PUT",
                          .key = key.text(),
                          .headers = condition_headers(precondition),
                          .content = frame,
                          .answer_bytes_max = kSmallAnswerBytesMax,
                          .fresh_connection = !precondition.is_any()};
  SELVEDGE_TRY(const S3Answer answer, client_.perform(request));
  if (answer.is_success()) {
    if (!internal::is_safe_etag(answer.etag)) {
      return fail_format(ErrorKind::kInternal, "{}: the server sends no entity tag",
                         client_.name_of(key.text()));
    }
    return Revision(answer.etag);
  }
  const bool conflict = answer.status == 412 ||
                        (answer.error.code == "NoSuchKey" && precondition.revision() != nullptr);
  if (!conflict) {
    return fail(client_.error_of(request, answer));
  }
  if (answer.in_doubt) {
    // An earlier try may have been the one that changed it.
    SELVEDGE_TRY(const auto current, find(key));
    if (current && current->write_id == write_id) {
      return current->object.revision;
    }
    return fail_format(ErrorKind::kDisconnected,
                       "{}: an answer was lost, and it is not known whether the change was made",
                       client_.name_of(key.text()));
  }
  return fail_format(ErrorKind::kConflict, "{}: it was changed meanwhile",
                     client_.name_of(key.text()));
}

Result<> S3Store::Impl::remove(const Key& key, const Precondition& precondition) {
  const bool conditional = precondition.revision() != nullptr;
  if (conditional) {
    // Some servers answer success when there is nothing to remove, whatever the condition.
    const S3Request head{.method = "HEAD", .key = key.text()};
    SELVEDGE_TRY(const S3Answer answer, client_.perform(head));
    if (answer.status == 404) {
      return fail_format(ErrorKind::kConflict, "{}: it was removed meanwhile",
                         client_.name_of(key.text()));
    }
  }
  const S3Request request{.method = "DELETE",
                          .key = key.text(),
                          .headers = condition_headers(precondition),
                          .answer_bytes_max = kSmallAnswerBytesMax,
                          .fresh_connection = conditional};
  SELVEDGE_TRY(const S3Answer answer, client_.perform(request));
  if ((answer.is_success() || answer.status == 404) && !(conditional && answer.in_doubt)) {
    return answer.status == 404 && conditional
               ? Result<>(fail_format(ErrorKind::kConflict, "{}: it was removed meanwhile",
                                      client_.name_of(key.text())))
               : Result<>();
  }
  if (conditional && answer.in_doubt &&
      (answer.is_success() || answer.status == 404 || answer.status == 412)) {
    return fail_format(ErrorKind::kDisconnected,
                       "{}: an answer was lost, and it is not known who removed it",
                       client_.name_of(key.text()));
  }
  return fail(client_.error_of(request, answer));
}

S3Store::S3Store(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
S3Store::~S3Store() = default;

Result<std::unique_ptr<S3Store>> S3Store::create(S3StoreOptions options) {
  SELVEDGE_TRY_VOID(check_options(options));
  return std::unique_ptr<S3Store>(new S3Store(std::make_unique<Impl>(std::move(options))));
}

Result<Object> S3Store::get(const Key& key, std::size_t bytes_max) {
  SELVEDGE_TRY_VOID(check_document_key(key));
  SELVEDGE_TRY(auto document, impl_->read(key, nullptr, bytes_max));
  return std::move(document->object);
}

Result<std::optional<Object>> S3Store::get_if_changed(const Key& key, const Revision& known,
                                                      std::size_t bytes_max) {
  SELVEDGE_TRY_VOID(check_document_key(key));
  if (!internal::is_safe_etag(known.text())) {
    return get(key, bytes_max);  // of no server
  }
  SELVEDGE_TRY(auto document, impl_->read(key, &known, bytes_max));
  return document ? std::optional(std::move(document->object)) : std::nullopt;
}

Result<Revision> S3Store::put(const Key& key, base::ByteSpan bytes,
                              const Precondition& precondition) {
  SELVEDGE_TRY_VOID(check_put(key, bytes));
  if (const Revision* revision = precondition.revision();
      revision != nullptr && !internal::is_safe_etag(revision->text())) {
    return fail_format(ErrorKind::kConflict, "{}: that revision is of no server",
                       impl_->client().name_of(key.text()));
  }
  return impl_->put(key, bytes, precondition);
}

Result<> S3Store::remove(const Key& key, const Precondition& precondition) {
  SELVEDGE_TRY_VOID(check_remove(key, precondition));
  if (const Revision* revision = precondition.revision();
      revision != nullptr && !internal::is_safe_etag(revision->text())) {
    return fail_format(ErrorKind::kConflict, "{}: that revision is of no server",
                       impl_->client().name_of(key.text()));
  }
  return impl_->remove(key, precondition);
}

Result<ListPage> S3Store::list(const ListOptions& options) {
  SELVEDGE_TRY_VOID(check_list(options));
  ListPage page;
  std::string after = options.start_after ? options.start_after->text() : std::string();
  for (int requests = 0; requests < kListRequestsMax; ++requests) {
    S3Request request{.method = "GET", .answer_bytes_max = kListAnswerBytesMax};
    request.query = {{"list-type", "2"},
                     {"encoding-type", "url"},
                     {"prefix", options.folder.text() + "/"},
                     {"max-keys", fmt::format("{}", options.limit - page.entries.size())}};
    if (!after.empty()) {
      request.query.emplace_back("start-after", after);
    }
    SELVEDGE_TRY(const S3Answer answer, impl_->client().perform(request));
    if (!answer.is_success()) {
      return fail(impl_->client().error_of(request, answer));
    }
    SELVEDGE_TRY(const auto listed, internal::parse_list_answer(answer.content));
    for (const auto& entry : listed.entries) {
      if (entry.key <= after || page.entries.size() == options.limit) {
        return fail(ErrorKind::kInternal, "the S3 server's list is not in order");
      }
      after = entry.key;
      auto key = Key::parse(entry.key);
      if (key && key->is_below(options.folder.text())) {
        const bool is_blob = key->is_below(kBlobFolder);
        page.entries.push_back({.key = *std::move(key),
                                .revision = Revision(is_blob ? std::string() : entry.etag),
                                .bytes = entry.bytes,
                                .written = entry.written});
      }
    }
    page.more = listed.truncated;
    if (!listed.truncated || listed.entries.empty() || page.entries.size() == options.limit) {
      return page;
    }
  }
  return fail_format(ErrorKind::kOverloaded, "{} is full of foreign objects below `{}`",
                     impl_->client().name_of(""), options.folder.text());
}

Result<std::size_t> S3Store::remove_unfinished(std::int64_t before) {
  return internal::abort_uploads(impl_->client(), before);
}

Result<std::optional<std::uint64_t>> S3Store::find_blob(const BlobHash& hash) {
  const Key key = blob_key(hash);
  const S3Request request{.method = "HEAD", .key = key.text()};
  SELVEDGE_TRY(const S3Answer answer, impl_->client().perform(request));
  if (answer.status == 404) {
    return std::nullopt;
  }
  if (!answer.is_success() || !answer.content_length) {
    return fail(impl_->client().error_of(request, answer));
  }
  return answer.content_length;
}

Result<> S3Store::write_blob(BlobSource& source) {
  return internal::upload_blob(impl_->client(), source, kPartBytes);
}

Result<> S3Store::read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) {
  const Key key = blob_key(hash);
  const S3Request request{
      .method = "GET", .key = key.text(), .sink = &sink, .answer_bytes_max = bytes_max};
  SELVEDGE_TRY(const S3Answer answer, impl_->client().perform(request));
  if (!answer.is_success()) {
    return fail(impl_->client().error_of(request, answer));
  }
  return {};
}

Result<> S3Store::check_server() {
  SELVEDGE_TRY(const Key key, Key::parse(fmt::format("{}/{}", kChecksFolder,
                                                     internal::make_write_id(impl_->random()))));
  const base::ByteSpan bytes = base::as_bytes("a check of conditional writes");
  const auto refused = [](const Result<Revision>& result) {
    return !result && result.error().kind() == ErrorKind::kConflict;
  };
  SELVEDGE_TRY(const Revision first, put(key, bytes, Precondition::absent()));
  const bool absent_works = refused(put(key, bytes, Precondition::absent()));
  SELVEDGE_TRY(const Revision second, put(key, bytes, Precondition::matches(first)));
  const bool match_works = refused(put(key, bytes, Precondition::matches(first)));
  SELVEDGE_TRY_VOID(remove(key, Precondition::any()));
  if (!absent_works || !match_works || first == second) {
    return fail_format(
        ErrorKind::kUnsupported,
        "{}: the server ignores {} of conditional writes, so nodes would lose each other's changes",
        impl_->client().name_of(""), absent_works ? "If-Match" : "If-None-Match");
  }
  return {};
}

}  // namespace selvedge::store
