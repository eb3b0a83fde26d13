#include "store/internal/seen_documents.h"

#include <utility>

#include "base/format.h"
#include "base/log.h"
#include "crypto/blake3.h"
#include "store/internal/document_frame.h"

namespace selvedge::store::internal {
namespace {

// Writes need not be told apart here: the frame is for its hash.
constexpr std::string_view kNoWriteId = "00000000000000000000000000000000";
// A page of the longest keys and revisions.
constexpr std::size_t kPageBytesMax = ListOptions::kLimitMax * (Key::kBytesMax + 512);

std::string file_name(std::string_view subject) {
  return crypto::blake3(base::as_bytes(subject)).hex();
}

std::string document_subject(const Key& key) { return fmt::format("document {}\n", key.text()); }

std::string page_subject(const ListOptions& options) {
  return fmt::format("list {} {} {}\n", options.folder.text(),
                     options.start_after ? options.start_after->text() : "", options.limit);
}

// The text up to the next line feed, which is removed with it; nullopt when there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

}  // namespace

SeenDocuments::Use::Use(SeenDocuments& documents, const Key& key)
    : documents_(documents), key_(key) {
  const std::lock_guard lock(documents_.mutex_);
  number_ = ++documents_.last_number_;
  ++documents_.underway_[key_.text()].count;
}

SeenDocuments::Use::~Use() {
  const std::lock_guard lock(documents_.mutex_);
  const auto found = documents_.underway_.find(key_.text());
  if (--found->second.count == 0) {
    documents_.underway_.erase(found);
  }
}

bool SeenDocuments::claim(const Use& use) {
  Underway& underway = underway_.find(use.key_.text())->second;
  if (underway.last > use.number_) {
    return false;
  }
  underway.last = use.number_;
  return true;
}

Result<> SeenDocuments::keep(std::string_view subject, std::string_view line,
                             base::ByteSpan bytes) {
  const std::string head = fmt::format("{}{}\n", subject, line);
  std::vector<std::byte> content;
  content.reserve(head.size() + bytes.size());
  const base::ByteSpan head_bytes = base::as_bytes(head);
  content.insert(content.end(), head_bytes.begin(), head_bytes.end());
  content.insert(content.end(), bytes.begin(), bytes.end());
  const auto frame = frame_document(kNoWriteId, content);
  SELVEDGE_TRY(TemporaryFile file, files_->create());
  SELVEDGE_TRY_VOID(file.write(frame));
  return files_->keep(file_name(subject), std::move(file), frame.size());
}

std::optional<std::vector<std::byte>> SeenDocuments::find(std::string_view subject) {
  const auto opened = files_->find(file_name(subject));
  if (!opened || opened->size > kPageBytesMax + kDocumentBytesMax) {
    return std::nullopt;
  }
  std::vector<std::byte> frame(static_cast<std::size_t>(opened->size));
  const auto count = read_full(opened->file.get(), frame, "the cache");
  if (!count) {
    return std::nullopt;
  }
  const auto document = parse_document(base::ByteSpan(frame).first(*count));
  if (!document || !base::as_text(document->bytes).starts_with(subject)) {
    log::warning("store cache has a damaged file name={}", file_name(subject));
    files_->remove(file_name(subject));
    return std::nullopt;
  }
  const base::ByteSpan content = document->bytes.subspan(subject.size());
  return std::vector<std::byte>(content.begin(), content.end());
}

std::optional<Object> SeenDocuments::recall(const Key& key) {
  const auto content = find(document_subject(key));
  if (!content) {
    return std::nullopt;
  }
  std::string_view text = base::as_text(*content);
  const auto revision = take_line(text);
  if (!revision) {
    return std::nullopt;
  }
  const base::ByteSpan bytes = base::as_bytes(text);
  return Object{.bytes = {bytes.begin(), bytes.end()},
                .revision = Revision(std::string(*revision))};
}

void SeenDocuments::remember(const Use& use, base::ByteSpan bytes, const Revision& revision) {
  const std::lock_guard lock(mutex_);
  if (!claim(use)) {
    return;
  }
  const std::string subject = document_subject(use.key_);
  if (const auto kept = keep(subject, revision.text(), bytes); !kept) {
    log::warning("store cache keeps no document key={} error=\"{}\"", use.key_.text(),
                 kept.error().message());
    files_->remove(file_name(subject));
  }
}

void SeenDocuments::forget(const Use& use) {
  const std::lock_guard lock(mutex_);
  if (claim(use)) {
    files_->remove(file_name(document_subject(use.key_)));
  }
}

void SeenDocuments::remember_page(const ListOptions& options, const ListPage& page) {
  std::string lines;
  for (const ListEntry& entry : page.entries) {
    fmt::format_to(std::back_inserter(lines), "{} {}\n", entry.key.text(), entry.revision.text());
  }
  const std::string subject = page_subject(options);
  const std::lock_guard lock(mutex_);
  if (const auto kept = keep(subject, page.more ? "more" : "end", base::as_bytes(lines)); !kept) {
    log::warning("store cache keeps no list folder={} error=\"{}\"", options.folder.text(),
                 kept.error().message());
    files_->remove(file_name(subject));
  }
}

void SeenDocuments::forget_pages_of(const Key& key) {
  const std::string_view text = key.text();
  for (std::size_t end = text.rfind('/'); end != std::string_view::npos && end > 0;
       end = text.rfind('/', end - 1)) {
    if (auto folder = Key::parse(text.substr(0, end))) {
      files_->remove(file_name(page_subject({.folder = *std::move(folder)})));
    }
  }
}

std::optional<ListPage> SeenDocuments::recall_page(const ListOptions& options) {
  const auto content = find(page_subject(options));
  if (!content) {
    return std::nullopt;
  }
  std::string_view text = base::as_text(*content);
  const auto more = take_line(text);
  if (!more) {
    return std::nullopt;
  }
  ListPage page{.entries = {}, .more = *more == "more"};
  while (const auto line = take_line(text)) {
    const std::size_t blank = line->find(' ');
    auto key = Key::parse(line->substr(0, blank));
    if (!key || blank == std::string_view::npos) {
      return std::nullopt;
    }
    page.entries.push_back(
        {.key = *std::move(key), .revision = Revision(std::string(line->substr(blank + 1)))});
  }
  return page;
}

}  // namespace selvedge::store::internal
