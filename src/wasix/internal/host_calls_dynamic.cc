// dlopen and what belongs to it. dlopen itself only finds libraries; the wrapper that rewriting
// puts around it then asks for their initializers, calls them, and asks for the result
// (native/src/rewrite_dynamic.rs).

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "engine/module_info.h"
#include "wasix/abi_dynamic.h"
#include "wasix/dynamic_linker.h"
#include "wasix/guest_path.h"
#include "wasix/host_functions.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/registration.h"

namespace selvedge::wasix::internal {

namespace {

// Bytes of a symbol's name.
constexpr std::uint32_t kSymbolBytesMax = 64 << 10;
// Libraries whose constructors load libraries.
constexpr std::size_t kLoadsMax = 32;
constexpr std::string_view kNotDynamic =
    "the program cannot load libraries: it has no table of functions";

// As much of the sentence as fits, with its end.
void write_error(const Thread& thread, std::uint32_t address, std::uint32_t size,
                 std::string_view text) {
  const auto target = thread.memory().bytes(address, size);
  if (!target || size == 0) {
    return;
  }
  const std::size_t count = std::min<std::size_t>(text.size(), size - 1);
  std::ranges::copy(std::as_bytes(std::span(text.data(), count)), target->begin());
  (*target)[count] = std::byte{0};
}

Errno errno_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kNotFound:
      return Errno::kNoent;
    case ErrorKind::kOverloaded:
      return Errno::kNomem;
    case ErrorKind::kUnsupported:
      return Errno::kNotsup;
    default:
      return Errno::kNoexec;
  }
}

io::Task<Errno> find_library(Thread& thread, LibraryRequest request) {
  // By its place: the list may grow while the files are read, by nobody else but this thread.
  const std::size_t load = thread.library_loads().size() - 1;
  auto found = co_await thread.owner().linker()->find(thread, std::move(request));
  LibraryLoad& state = thread.library_loads()[load];
  if (!found) {
    state.opening.error = found.error().message();
    co_return errno_of(found.error().kind());
  }
  state.opening = *std::move(found);
  co_return Errno::kSuccess;
}

// kNoent, kNoexec, kNomem, kNotsup: and a sentence in `error`.
BlockingErrno dlopen(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                     std::uint32_t flags, Ptr<std::uint8_t> error, std::uint32_t error_len,
                     Ptr<std::uint8_t> search_path, std::uint32_t search_path_len,
                     Ptr<std::uint32_t> handle) {
  if (thread.owner().linker() == nullptr) {
    write_error(thread, error.address, error_len, kNotDynamic);
    return Errno::kNotsup;
  }
  std::vector<LibraryLoad>& loads = thread.library_loads();
  // One that a constructor was thrown out of stays in the list.
  if (loads.size() >= kLoadsMax) {
    loads.erase(loads.begin());
  }
  LibraryLoad& load = loads.emplace_back();
  load.handle_address = handle.address;
  load.error_address = error.address;
  load.error_size = error_len;
  if (name.is_null()) {
    load.opening.handle = abi::kDlProgram;
    return Errno::kSuccess;
  }
  if ((flags & ~abi::kDlAll) != 0) {
    load.opening.error = "the flags are not known";
    return Errno::kInval;
  }
  ErrnoResult<std::string> wanted = read_path(thread, name, name_len);
  ErrnoResult<std::string> folders = read_path(thread, search_path, search_path_len);
  if (!wanted || !folders) {
    return wanted ? folders.error() : wanted.error();
  }
  return wait_for(thread, find_library(thread, {.name = *std::move(wanted),
                                                .search_path = *std::move(folders),
                                                .global = (flags & abi::kDlGlobal) != 0,
                                                .deep = (flags & abi::kDlDeepbind) != 0,
                                                .only_known = (flags & abi::kDlNoload) != 0}));
}

io::Task<Errno> find_needed(Thread& thread) {
  const engine::Module& program = thread.fiber().instance().linked().module();
  auto found = co_await thread.owner().linker()->find_needed(engine::library_needs(program));
  LibraryLoad& state = thread.library_loads().back();
  if (!found) {
    state.opening.error = found.error().message();
    co_return errno_of(found.error().kind());
  }
  state.opening = *std::move(found);
  co_return Errno::kSuccess;
}

// Called first of all by programs that need libraries; what follows is as for dlopen.
BlockingErrno load_needed(Thread& thread) {
  if (thread.owner().linker() == nullptr) {
    return Errno::kNotsup;
  }
  thread.library_loads().emplace_back().at_start = true;
  return wait_for(thread, find_needed(thread));
}

// What the guest calls next; 0: nothing.
std::uint32_t next_initializer(Thread& thread) {
  std::vector<LibraryLoad>& loads = thread.library_loads();
  if (loads.empty() || thread.winding()) {
    return 0;
  }
  return thread.owner().linker()->next_initializer(thread, loads.back().opening);
}

// `result` is what dlopen returned.
Errno dlopen_result(Thread& thread, std::uint32_t result) {
  std::vector<LibraryLoad>& loads = thread.library_loads();
  if (loads.empty() || thread.winding()) {
    return static_cast<Errno>(result);
  }
  const LibraryLoad load = std::move(loads.back());
  loads.pop_back();
  if (load.at_start) {
    if (result != 0 || !load.opening.error.empty()) {
      thread.end({.reason = engine::EndReason::kNotStarted, .message = load.opening.error});
    }
    return static_cast<Errno>(result);
  }
  if (!load.opening.error.empty()) {
    write_error(thread, load.error_address, load.error_size, load.opening.error);
    return result != 0 ? static_cast<Errno>(result) : Errno::kNoexec;
  }
  if (result != 0) {
    return static_cast<Errno>(result);
  }
  return thread.memory().write(Ptr<std::uint32_t>{load.handle_address}, load.opening.handle)
             ? Errno::kSuccess
             : Errno::kFault;
}

// kInval: the handle; kNoent: no such symbol; and a sentence in `error`.
Errno dlsym(Thread& thread, std::uint32_t handle, Ptr<std::uint8_t> symbol,
            std::uint32_t symbol_len, Ptr<std::uint8_t> error, std::uint32_t error_len,
            Ptr<std::uint32_t> address) {
  DynamicLinker* const linker = thread.owner().linker();
  if (linker == nullptr) {
    write_error(thread, error.address, error_len, kNotDynamic);
    return Errno::kNotsup;
  }
  if (symbol_len > kSymbolBytesMax) {
    return Errno::kNametoolong;
  }
  const std::optional<std::string> name = thread.memory().read_string(symbol.address, symbol_len);
  if (!name) {
    return Errno::kFault;
  }
  const Result<std::uint32_t> found = linker->symbol(thread, handle, *name);
  if (!found) {
    write_error(thread, error.address, error_len, found.error().message());
    return found.error().kind() == ErrorKind::kNotFound ? Errno::kNoent : Errno::kInval;
  }
  return thread.memory().write(address, *found) ? Errno::kSuccess : Errno::kFault;
}

// The library stays in memory.
Errno dlclose(Thread& thread, std::uint32_t handle, Ptr<std::uint8_t> error,
              std::uint32_t error_len) {
  DynamicLinker* const linker = thread.owner().linker();
  if (linker == nullptr) {
    write_error(thread, error.address, error_len, kNotDynamic);
    return Errno::kNotsup;
  }
  const Result<> closed = linker->close(handle);
  if (!closed) {
    write_error(thread, error.address, error_len, closed.error().message());
    return Errno::kInval;
  }
  return Errno::kSuccess;
}

// kNoexec: it is no handle.
Errno dl_invalid_handle(Thread& thread, std::uint32_t handle) {
  const DynamicLinker* const linker = thread.owner().linker();
  return linker != nullptr && linker->valid(handle) ? Errno::kSuccess : Errno::kNoexec;
}

}  // namespace

void register_wasix_libraries(engine::HostFunctions& functions) {
  functions.define<&dlopen>(kWasixModule, "dlopen");
  functions.define<&dlsym>(kWasixModule, "dlsym");
  functions.define<&dlclose>(kWasixModule, "dlclose");
  functions.define<&dl_invalid_handle>(kWasixModule, "dl_invalid_handle");
  functions.define<&next_initializer>(engine::kRewriteHostModule, "next_initializer");
  functions.define<&dlopen_result>(engine::kRewriteHostModule, "dlopen_result");
  functions.define<&load_needed>(engine::kRewriteHostModule, "load_needed");
}

}  // namespace selvedge::wasix::internal
