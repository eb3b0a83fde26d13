#include "node/store_keeper.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "app/package.h"
#include "base/errno_error.h"
#include "base/format.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "crypto/blake3.h"

namespace selvedge::node {
namespace {

constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kIdDigits = 2 * kIdBytes;
constexpr std::size_t kIdFileBytesMax = 256;
// A store that does not answer is asked again.
constexpr base::Duration kRetryInterval = std::chrono::minutes(1);

bool is_id(std::string_view text) noexcept {
  return text.size() == kIdDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<> write_id(const std::filesystem::path& path, std::string_view id) {
  const std::filesystem::path fresh = path.native() + ".new";
  const base::UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file || ::write(file.get(), id.data(), id.size()) != static_cast<ssize_t>(id.size()) ||
      ::fsync(file.get()) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0) {
    return fail(base::errno_error(errno, path.string()));
  }
  return {};
}

}  // namespace

Result<std::string> node_id(const std::filesystem::path& data_folder, base::Random& random) {
  const std::filesystem::path path = data_folder / "node-id";
  if (auto text = app::read_text_file(path.string(), kIdFileBytesMax);
      text.has_value() && is_id(*text)) {
    return text;
  }
  // Also in place of what a crash of the machine has cut.
  std::array<std::byte, kIdBytes> bytes{};
  random.fill(bytes);
  std::string id;
  for (const std::byte byte : bytes) {
    fmt::format_to(std::back_inserter(id), "{:02x}", static_cast<unsigned>(byte));
  }
  SELVEDGE_TRY_VOID(write_id(path, id));
  return id;
}

StoreKeeper::StoreKeeper(const Options& options)
    : options_(options),
      collector_({.store = options.store.backend(),
                  .clock = options.clock,
                  .holder = fmt::format("{}-{:016x}", options.node, options.random.next()),
                  .node = options.node,
                  .versions_kept = options.versions_kept,
                  .grace = options.grace}),
      helpers_({.threads = 1, .queue_max = 8}) {}

io::Task<app::CollectionReport> StoreKeeper::collect(bool dry_run) {
  co_return co_await helpers_.run(
      options_.reactor, [&collector = collector_, dry_run] { return collector.collect(dry_run); });
}

io::Task<> StoreKeeper::run() {
  for (;;) {
    auto ready = co_await helpers_.run(
        options_.reactor, [&collector = collector_, &options = options_]() -> Result<> {
          SELVEDGE_TRY_VOID(options.store.check_server());
          // One that lives ends by itself, and one that dies while it hands over is found by its
          // age.
          return options.beside_another ? Result<>() : collector.recover();
        });
    if (ready.has_value()) {
      break;
    }
    if (!NodeStore::is_outage(ready.error())) {
      log::error("store: {}", ready.error().message());
    }
    co_await options_.reactor.sleep(kRetryInterval);
  }
  for (;;) {
    // Half an interval to one and a half: nodes that started together do not collect together.
    const auto half = static_cast<std::uint64_t>((options_.interval / 2).count());
    const base::Duration wait(
        static_cast<base::Duration::rep>(half + options_.random.below(2 * half + 1)));
    co_await options_.reactor.sleep(wait);
    const auto report = co_await collect(false);
    if (report.has_value()) {
      log::info("store collected versions={} blobs={} bytes={} kept={} waiting={} uploads={}",
                report->versions, report->blobs, report->bytes, report->kept_blobs,
                report->waiting_blobs, report->uploads);
    } else if (report.error().kind() == ErrorKind::kOverloaded) {
      log::info("store not collected: {}", report.error().message());
    } else {
      log::warning("store not collected: {}", report.error().message());
    }
  }
}

}  // namespace selvedge::node
