// What a process uses of the limits that its workload has.

#include <chrono>
#include <utility>

#include "base/format.h"
#include "wasix/process.h"
#include "wasix/workload.h"

namespace selvedge::wasix {

Result<> Process::make_shared_memory() {
  SELVEDGE_TRY(auto memory,
               engine::SharedMemory::create(*module_, options_.limits.instance.memory_bytes_max));
  WorkloadMemory& account = workload_.memory();
  if (!account.reserve(memory->size())) {
    return fail_format(ErrorKind::kOverloaded,
                       "the program begins with {} bytes of memory, beyond {}", memory->size(),
                       account.limit_text());
  }
  shared_memory_ = std::move(memory);
  return {};
}

Result<> Process::copy_memory_of(engine::SharedMemory& parent) {
  WorkloadMemory& account = workload_.memory();
  const std::size_t before = shared_memory_->size();
  const std::size_t more = parent.size() - before;
  if (!account.reserve(more)) {
    return fail_format(ErrorKind::kOverloaded, "the child takes {} bytes of memory, beyond {}",
                       parent.size(), account.limit_text());
  }
  const Result<> copied = parent.copy_to(*shared_memory_);
  account.release(before + more - shared_memory_->size());  // what it did not grow by
  return copied.has_value() ? Result<>() : fail(copied.error().clone());
}

void Process::drop_shared_memory() noexcept {
  if (shared_memory_ != nullptr) {
    workload_.memory().release(shared_memory_->size());
    shared_memory_.reset();
  }
}

std::optional<std::uint32_t> Process::grow_shared_memory(Thread& thread, std::uint32_t pages) {
  if (shared_memory_ == nullptr) {
    return std::nullopt;  // its own: nothing else could share it
  }
  WorkloadMemory& account = workload_.memory();
  const std::size_t bytes = std::size_t{pages} * engine::SharedMemory::kPageBytes;
  if (!account.reserve(bytes)) {
    account.note_refusal();
    thread.fiber().instance().note_memory_refusal(account.limit_text());
    return std::nullopt;
  }
  const std::optional<std::uint32_t> before = shared_memory_->grow(pages);
  if (!before) {
    account.note_refusal();
    account.release(bytes);
  }
  return before;
}

bool Process::account_output(Thread& thread, std::size_t bytes) {
  // What a thread writes as a child passes the limit of whose it is: that one ends.
  if (this != &thread.owner()) {
    return thread.owner().account_output(thread, bytes);
  }
  const auto& limit = options_.limits.output_bytes_max;
  const std::uint64_t written = workload_.add_output(bytes);
  if (!limit || written <= *limit) {
    return true;
  }
  limit_status_ = {.kind = ExitStatus::Kind::kLimit,
                   .message = fmt::format("the limit of {} bytes of output is passed", *limit)};
  thread.end({.reason = engine::EndReason::kKilled});
  if (id_ != kFirstProcess) {
    workload_.end(*limit_status_);
  }
  return false;
}

void Process::end_by_limit(const ExitStatus& status) {
  if (running() && !limit_status_) {
    limit_status_ = status;
    threads_.kill();
  }
}

std::string Process::workload_cpu_limit() const {
  const auto limit =
      std::chrono::duration_cast<std::chrono::milliseconds>(*options_.limits.instance.cpu_time_max);
  return fmt::format("the processes of the workload used their {} ms of CPU time together",
                     limit.count());
}

}  // namespace selvedge::wasix
