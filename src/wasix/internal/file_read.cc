#include "wasix/internal/file_read.h"

#include <algorithm>
#include <utility>

#include "wasix/internal/blocking.h"
#include "wasix/internal/disk.h"
#include "wasix/internal/guest_buffers.h"

namespace selvedge::wasix::internal {

namespace {

// For EventCall. The buffers are looked up anew in each turn.
class FileReadAttempt {
 public:
  FileReadAttempt(std::shared_ptr<File> file, const FileReadRequest& request, bool may_load)
      : file_(std::move(file)), request_(request), may_load_(may_load) {}

  // kAgain: turn_is_over(), or the next piece is to be loaded.
  Errno operator()(Thread& thread, Handle& /*handle*/) {
    turn_is_over_ = false;
    const Wait wait = may_load_ && !std::exchange(loaded_, false) ? Wait::kNever : Wait::kAllowed;
    ReadBuffers buffers;
    Errno error =
        buffers.gather(thread.memory(), request_.iovs, request_.iovs_len,
                       {.skip = done_, .bytes_max = std::min(kTransferBytesMax, left_at_most())});
    // Before the offset moves: a fault must not lose the count.
    if (error == Errno::kSuccess &&
        !thread.memory().bytes(request_.nread.address, sizeof(std::uint32_t))) {
      error = Errno::kFault;
    }
    if (error != Errno::kSuccess) {
      return stopped(thread, error);
    }
    for (;;) {
      const ErrnoResult<std::size_t> count =
          request_.offset ? file_->pread(buffers.spans(), *request_.offset + done_, wait)
                          : file_->read(buffers.spans(), wait);
      if (!count) {
        load_bytes_ = buffers.total();
        return count.error() == Errno::kAgain ? Errno::kAgain : stopped(thread, count.error());
      }
      done_ += *count;
      buffers.drop(*count);
      // A short count is the end of the file, unless the rest of the piece is not in memory yet.
      const bool ended = *count == 0 || (buffers.total() > 0 && !may_load_);
      if (ended || buffers.bytes_in_all() == 0 || left_at_most() == 0) {
        return finish(thread);
      }
      if (buffers.total() == 0) {
        turn_is_over_ = true;
        return Errno::kAgain;
      }
    }
  }

  bool turn_is_over() const noexcept { return turn_is_over_; }
  // As on Linux, where reading a file is not a wait.
  std::optional<Errno> interrupted(Thread& /*thread*/, Handle& /*handle*/) const {
    return std::nullopt;
  }

  bool may_load() const noexcept { return may_load_; }
  // What the next attempt reads, for a helper thread.
  auto load() const {
    return
        [file = file_, length = load_bytes_,
         offset = request_.offset ? *request_.offset + done_ : file_->tell()]() -> ErrnoResult<> {
          file->load(offset, length);
          return {};
        };
  }
  void set_loaded() noexcept { loaded_ = true; }

 private:
  std::size_t left_at_most() const noexcept { return kReadBytesMax - done_; }
  Errno stopped(Thread& thread, Errno error) const { return done_ == 0 ? error : finish(thread); }
  Errno finish(Thread& thread) const {
    return thread.memory().write(request_.nread, static_cast<std::uint32_t>(done_))
               ? Errno::kSuccess
               : Errno::kFault;
  }

  std::shared_ptr<File> file_;
  FileReadRequest request_;
  std::size_t done_ = 0;
  std::size_t load_bytes_ = 0;
  bool may_load_;
  bool loaded_ = false;
  bool turn_is_over_ = false;
};

io::Task<Errno> load_and_read(Thread& thread, std::shared_ptr<Handle> handle,
                              FileReadAttempt attempt) {
  for (;;) {
    if (attempt.turn_is_over()) {
      co_await thread.process().shard().reactor.yield();
    } else {
      SELVEDGE_CO_TRY(const Errno loaded, co_await run_on_helper(thread, attempt.load()));
      static_cast<void>(loaded);  // the read meets the error, if there is one
      attempt.set_loaded();
    }
    const Errno result = attempt(thread, *handle);
    if (result != Errno::kAgain) {
      co_return result;
    }
  }
}

}  // namespace

BlockingErrno read_file(Thread& thread, const std::shared_ptr<Handle>& handle,
                        const FileReadRequest& request) {
  const std::shared_ptr<File>& file = handle->as_file()->file();
  const bool may_load = file->waits_for_disk() && thread.process().shard().helpers != nullptr;
  FileReadAttempt attempt(file, request, may_load);
  if (!may_load) {
    return attempt_or_wait(thread, handle, nullptr, std::move(attempt));
  }
  const Errno result = attempt(thread, *handle);
  if (result != Errno::kAgain) {
    return result;
  }
  return wait_for(thread, load_and_read(thread, handle, std::move(attempt)));
}

}  // namespace selvedge::wasix::internal
