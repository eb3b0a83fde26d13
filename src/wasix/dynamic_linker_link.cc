// Linking what DynamicLinker has found, and its symbols.

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "engine/shared_memory.h"
#include "wasix/abi_dynamic.h"
#include "wasix/dynamic_linker.h"
#include "wasix/process.h"

namespace selvedge::wasix {

std::vector<engine::LibraryNumber> DynamicLinker::global_scope() const {
  std::vector<engine::LibraryNumber> scope{engine::kProgram};
  for (const auto& [place, entry] : entries_) {
    if (entry.global && entry.number != 0) {
      scope.push_back(entry.number);
    }
  }
  return scope;
}

void DynamicLinker::add_with_needed(std::vector<std::size_t> places,
                                    std::vector<engine::LibraryNumber>& scope) const {
  std::vector<std::size_t> line = std::move(places);  // breadth first
  for (std::size_t at = 0; at < line.size(); ++at) {
    const Entry& entry = entries_.at(line[at]);
    if (entry.number != 0 && std::ranges::find(scope, entry.number) == scope.end()) {
      scope.push_back(entry.number);
    }
    for (const std::size_t other : entry.needed) {
      if (std::ranges::find(line, other) == line.end()) {
        line.push_back(other);
      }
    }
  }
}

Result<std::uint32_t> DynamicLinker::reserve(Thread& thread, std::uint32_t wanted,
                                             std::uint32_t alignment) {
  constexpr std::uint64_t kPage = engine::SharedMemory::kPageBytes;
  const auto aligned = [alignment](std::uint64_t address) {
    return (address + alignment - 1) / alignment * alignment;
  };
  if (aligned(spare_begin_) + wanted > spare_end_) {
    const std::uint64_t bytes = std::uint64_t{wanted} + alignment;
    const auto pages = static_cast<std::uint32_t>((bytes + kPage - 1) / kPage);
    const std::optional<std::uint32_t> before = process_.shared_memory() != nullptr
                                                    ? process_.grow_shared_memory(thread, pages)
                                                    : thread.grow_memory(pages);
    if (!before) {
      return fail_format(ErrorKind::kOverloaded, "there is no memory for {} bytes", bytes);
    }
    const std::uint64_t begin = std::uint64_t{*before} * kPage;
    spare_begin_ = begin == spare_end_ ? spare_begin_ : begin;
    spare_end_ = begin + std::uint64_t{pages} * kPage;
  }
  const std::uint64_t base = aligned(spare_begin_);
  spare_begin_ = base + wanted;
  return static_cast<std::uint32_t>(base);
}

Result<> DynamicLinker::link(Thread& thread, Entry& entry, std::size_t place, bool deep) {
  const engine::LibraryLayout& layout = entry.code->layout();
  SELVEDGE_TRY(const std::uint32_t base,
               reserve(thread, layout.memory_bytes, layout.memory_alignment));
  // This thread has its variables where the library's data is.
  std::vector<std::uint32_t> blocks(layout.thread_local_bytes != 0 ? process_.threads().count()
                                                                   : 0);
  for (std::uint32_t& block : blocks) {
    SELVEDGE_TRY(block, reserve(thread, layout.thread_local_bytes, layout.memory_alignment));
  }
  std::vector<engine::LibraryNumber> scope;
  if (deep) {
    add_with_needed({place}, scope);
  }
  for (const engine::LibraryNumber number : global_scope()) {
    if (std::ranges::find(scope, number) == scope.end()) {
      scope.push_back(number);
    }
  }
  add_with_needed({place}, scope);
  auto loaded =
      engine::GuestLinks(thread).load(*entry.code, {.base = base, .thread_blocks = blocks}, scope);
  if (!loaded) {
    spare_begin_ = base;  // nobody else has taken of it meanwhile
    return std::unexpected(std::move(loaded).error());
  }
  entry.number = *loaded;
  entry.thread_blocks = blocks.size();
  entry.state = State::kLinked;
  entry.beginner = thread.id();
  return {};
}

Result<> DynamicLinker::prepare_thread(Thread& thread, ThreadId id, std::uint32_t start_argument) {
  // `wasi_thread_start` takes it from there too.
  constexpr std::uint32_t kBlockField = 1;
  const engine::GuestPtr<std::uint32_t> start{start_argument};
  if (const auto block = thread.memory().read(start, kBlockField)) {
    map_.set_program_block(id, *block);
  }
  for (auto& [place, entry] : entries_) {
    if (entry.thread_blocks == 0 || entry.thread_blocks > process_.threads().count()) {
      continue;
    }
    const engine::LibraryLayout& layout = entry.code->layout();
    SELVEDGE_TRY(const std::uint32_t block,
                 reserve(thread, layout.thread_local_bytes, layout.memory_alignment));
    map_.add_thread_block(entry.number, block);
    ++entry.thread_blocks;
  }
  return {};
}

std::string DynamicLinker::error_of(std::size_t place, const Error& error) const {
  const auto failed = entries_.find(place);
  return failed != entries_.end() ? fmt::format("{}: {}", failed->second.path, error.message())
                                  : error.message();
}

void DynamicLinker::fail_opening(LibraryOpening& opening, std::size_t place, const Error& error) {
  opening.error = error_of(place, error);
  drop(place);
  const auto wanted = entries_.find(opening.handle - kFirstLibraryHandle);
  if (wanted != entries_.end() && wanted->second.references != 0) {
    --wanted->second.references;
  }
}

engine::TableIndex DynamicLinker::link_next(Thread& thread, LibraryOpening& opening) {
  const std::size_t place = opening.order[opening.next++];
  const auto found = entries_.find(place);
  Result<engine::TableIndex> call = engine::TableIndex{0};
  if (found == entries_.end()) {
    call = fail(ErrorKind::kInvalid, "a library that is needed could not be loaded");
  } else if (found->second.state == State::kFound) {
    Result<> linked = link(thread, found->second, place, opening.deep);
    if (linked) {
      opening.postponed = 0;
      opening.first_error.clear();
      call =
          engine::GuestLinks(thread).initializer(found->second.number, "__wasm_apply_data_relocs");
    } else {
      call = std::unexpected(std::move(linked).error());
    }
  }
  if (call) {
    return *call;
  }
  // Libraries of a program use each other's symbols without saying so, in any order.
  const bool lacks_symbol = call.error().kind() == ErrorKind::kNotFound;
  const bool may_postpone =
      opening.binds_program && lacks_symbol && opening.postponements < kPostponementsMax;
  if (may_postpone && opening.order.size() - opening.next > opening.postponed) {
    if (opening.first_error.empty()) {
      opening.first_error = error_of(place, call.error());
    }
    const auto later = opening.order.begin() + static_cast<std::ptrdiff_t>(opening.next);
    std::rotate(later - 1, later, opening.order.end());
    --opening.next;
    ++opening.postponed;
    ++opening.postponements;
    return 0;
  }
  fail_opening(opening, place, call.error());
  if (lacks_symbol && !opening.first_error.empty()) {
    opening.error = std::move(opening.first_error);  // others may only want its symbols
  }
  opening.order.resize(opening.next - 1);
  return 0;
}

Result<engine::TableIndex> DynamicLinker::bind_program(Thread& thread,
                                                       const LibraryOpening& opening) {
  std::vector<engine::LibraryNumber> scope{engine::kProgram};
  add_with_needed(opening.roots, scope);
  engine::GuestLinks links(thread);
  SELVEDGE_TRY_VOID(links.bind_program(scope));
  return links.initializer(engine::kProgram, "__wasm_apply_data_relocs");
}

engine::TableIndex DynamicLinker::construct_next(Thread& thread, LibraryOpening& opening) {
  const std::size_t place = opening.order[opening.next];
  const auto found = entries_.find(place);
  if (std::exchange(opening.constructing, false)) {
    ++opening.next;
    if (found != entries_.end()) {
      found->second.state = State::kReady;
      begun_.notify();
    }
    return 0;
  }
  if (found == entries_.end() || found->second.state != State::kLinked ||
      found->second.beginner != thread.id()) {
    ++opening.next;  // it was there before, or is another thread's
    return 0;
  }
  Entry& entry = found->second;
  engine::GuestLinks links(thread);
  Result<engine::TableIndex> call = links.initializer(entry.number, "__wasm_call_ctors");
  if (call && *call == 0) {
    call = links.initializer(entry.number, "_initialize");
  }
  if (!call) {
    fail_opening(opening, place, call.error());
    ++opening.next;
    return 0;
  }
  entry.state = State::kConstructing;
  opening.constructing = true;
  return *call;
}

engine::TableIndex DynamicLinker::next_initializer(Thread& thread, LibraryOpening& opening) {
  using Stage = LibraryOpening::Stage;
  engine::TableIndex call = 0;
  while (call == 0) {
    if (opening.next < opening.order.size()) {
      call = opening.stage == Stage::kLink ? link_next(thread, opening)
                                           : construct_next(thread, opening);
    } else if (opening.stage == Stage::kLink) {
      opening.stage = Stage::kConstruct;
      opening.next = 0;
      if (opening.binds_program && opening.error.empty()) {
        opening.order = in_order(opening.roots);  // some have been postponed
        Result<engine::TableIndex> bound = bind_program(thread, opening);
        call = bound.value_or(0);
        if (!bound) {
          opening.error = bound.error().message();
          opening.order.clear();  // the program ends
        }
      }
    } else {
      break;
    }
  }
  return call;
}

bool DynamicLinker::valid(LibraryHandle handle) const noexcept {
  if (handle == abi::kDlProgram) {
    return true;
  }
  const auto found = entries_.find(handle - kFirstLibraryHandle);
  return found != entries_.end() && found->second.references != 0;
}

Result<std::uint32_t> DynamicLinker::symbol(Thread& thread, LibraryHandle handle,
                                            std::string_view name) {
  std::vector<engine::LibraryNumber> scope;
  if (handle == abi::kDlDefault || handle == abi::kDlProgram) {
    scope = global_scope();
  } else if (valid(handle)) {
    add_with_needed({handle - kFirstLibraryHandle}, scope);
  } else {
    return fail_format(ErrorKind::kInvalid, "{} is not the handle of a library", handle);
  }
  SELVEDGE_TRY(const std::optional<std::uint32_t> address,
               engine::GuestLinks(thread).symbol(scope, name));
  if (!address) {
    return fail_format(ErrorKind::kNotFound, "{}: the symbol is not defined", name);
  }
  return *address;
}

Result<> DynamicLinker::close(LibraryHandle handle) {
  if (!valid(handle)) {
    return fail_format(ErrorKind::kInvalid, "{} is not the handle of a library", handle);
  }
  if (handle >= kFirstLibraryHandle) {
    --entries_.at(handle - kFirstLibraryHandle).references;
  }
  return {};
}

}  // namespace selvedge::wasix
