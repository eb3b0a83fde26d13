#include "wasix/internal/whole_file.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "engine/engine.h"
#include "wasix/internal/preopen_lookup.h"
#include "wasix/process.h"

namespace selvedge::wasix::internal {

namespace {

using Bytes = std::vector<std::byte>;

// The part that is brought into memory before it is read.
constexpr std::size_t kReadStepBytes = std::size_t{1} << 20;

}  // namespace

ErrnoResult<std::shared_ptr<File>> open_whole_file(Process& process, const std::string& path) {
  SELVEDGE_TRY_ERRNO(const PreopenPlace place, locate(process.handles(), path));
  SELVEDGE_TRY_ERRNO(Opened opened, place.directory->open(place.rest.empty() ? "." : place.rest,
                                                          {.follow = Follow::kYes, .read = true}));
  auto* const file = std::get_if<std::shared_ptr<File>>(&opened);
  if (file == nullptr || (*file)->device() != Device::kNone) {
    return refuse(Errno::kAcces);
  }
  return std::move(*file);
}

io::Task<ErrnoResult<Bytes>> read_whole_file(Process& process, std::shared_ptr<File> file) {
  const ErrnoResult<FileStat> stat = file->stat();
  if (!stat) {
    co_return refuse(stat.error());
  }
  if (stat->size > engine::kModuleBytesMax) {
    co_return refuse(Errno::kNoexec);
  }
  const ProcessShard& shard = process.shard();
  Bytes bytes(static_cast<std::size_t>(stat->size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    if (file->waits_for_disk() && shard.helpers != nullptr && done % kReadStepBytes == 0) {
      const auto load = [file, done]() -> Result<bool> {
        file->load(done, kReadStepBytes);
        return true;
      };
      SELVEDGE_CO_TRY_VOID(co_await shard.helpers->run(shard.reactor, load));
    }
    const std::size_t step = std::min(kReadStepBytes - done % kReadStepBytes, bytes.size() - done);
    const base::MutableByteSpan target = base::MutableByteSpan(bytes).subspan(done, step);
    const ErrnoResult<std::size_t> count = file->read(std::span(&target, 1), Wait::kAllowed);
    if (!count) {
      co_return refuse(count.error());
    }
    if (*count == 0) {
      break;  // it has become shorter
    }
    done += *count;
    co_await shard.reactor.yield();
  }
  bytes.resize(done);
  co_return bytes;
}

}  // namespace selvedge::wasix::internal
