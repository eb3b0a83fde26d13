// The admin API's part for the store as a whole.

#include "app/json_reader.h"
#include "base/log.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"
#include "node/store_keeper.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kCollectBytesMax = std::size_t{4} << 10;

}  // namespace

io::Task<> AdminApi::collect_store(app::HttpExchange& exchange) {
  SELVEDGE_CO_TRY(const std::string content, co_await read_content(exchange, kCollectBytesMax));
  bool dry_run = false;
  if (!content.empty()) {
    SELVEDGE_CO_TRY(const auto document, app::parse_json(content, "the request"));
    SELVEDGE_CO_TRY(const auto root, app::JsonObject::open(document, "request"));
    SELVEDGE_CO_TRY(const auto wanted, root.optional_boolean("dry_run"));
    dry_run = wanted.value_or(false);
  }
  if (options_.keeper == nullptr) {
    co_return fail(ErrorKind::kUnsupported, "this node does not collect");
  }
  SELVEDGE_CO_TRY(const auto report, co_await options_.keeper->collect(dry_run));
  if (!dry_run) {
    log::info("request={} store collected versions={} blobs={} bytes={}", exchange.request_id(),
              report.versions, report.blobs, report.bytes);
  }
  co_return co_await answer_json(exchange, wire::StatusCode(200),
                                 {{"dry_run", report.dry_run},
                                  {"versions", report.versions},
                                  {"blobs", report.blobs},
                                  {"bytes", report.bytes},
                                  {"uploads", report.uploads},
                                  {"uses", report.uses},
                                  {"kept_blobs", report.kept_blobs},
                                  {"waiting_blobs", report.waiting_blobs}});
}

}  // namespace selvedge::node
