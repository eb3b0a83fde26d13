#include "engine/library.h"

#include <algorithm>
#include <utility>

#include "engine/internal/native_error.h"
#include "engine/internal/native_text.h"

namespace selvedge::engine {
namespace {

struct FreeDylink {
  void operator()(native::Dylink* dylink) const noexcept { native::selvedge_dylink_free(dylink); }
};
struct FreeBuffer {
  void operator()(native::Buffer* buffer) const noexcept { native::selvedge_buffer_free(buffer); }
};

LibraryNeeds needs_of(const native::Dylink& dylink) {
  LibraryNeeds needs;
  for (std::size_t index = 0; index < native::selvedge_dylink_needed_count(&dylink); ++index) {
    needs.names.emplace_back(text_of(native::selvedge_dylink_needed(&dylink, index)));
  }
  for (std::size_t index = 0; index < native::selvedge_dylink_folder_count(&dylink); ++index) {
    needs.folders.emplace_back(text_of(native::selvedge_dylink_folder(&dylink, index)));
  }
  return needs;
}

}  // namespace

LibraryNeeds library_needs(const Module& program) {
  // "selvedge.library.<number>.<name>", as native/src/prelink.rs writes them.
  constexpr std::string_view kLibrary = "selvedge.library.";
  constexpr std::string_view kFolder = "selvedge.folder.";
  LibraryNeeds needs;
  for (const ExportDescription& item : program.exports()) {
    const std::string_view name = item.name;
    const bool is_library = name.starts_with(kLibrary);
    if (is_library || name.starts_with(kFolder)) {
      const std::size_t number = is_library ? kLibrary.size() : kFolder.size();
      const std::string_view rest = name.substr(std::min(name.find('.', number), name.size() - 1));
      (is_library ? needs.names : needs.folders).emplace_back(rest.substr(1));
    }
  }
  return needs;
}

Library::Library(Private, native::Library* native, LibraryLayout layout, LibraryNeeds needs)
    : native_(native), layout_(layout), needs_(std::move(needs)) {}

Library::~Library() { native::selvedge_library_free(native_); }

Result<std::shared_ptr<const Library>> Library::create(const native::HostFunctions& functions,
                                                       const Module& module, base::ByteSpan wasm) {
  native::Dylink* read = nullptr;
  SELVEDGE_TRY_VOID(take_native_error(native::selvedge_dylink_read(to_native(wasm), &read)));
  if (read == nullptr) {
    return fail(ErrorKind::kInvalid,
                "the module is not a library: it does not begin with a section \"dylink.0\"; "
                "compile it with -fPIC and link it with -shared");
  }
  const std::unique_ptr<native::Dylink, FreeDylink> dylink(read);
  const native::DylinkLayout layout = native::selvedge_dylink_layout(dylink.get());
  native::Library* library = nullptr;
  SELVEDGE_TRY_VOID(take_native_error(
      native::selvedge_library_new(&functions, module.native(), dylink.get(), &library)));
  return std::make_shared<const Library>(
      Private(), library,
      LibraryLayout{.memory_bytes = layout.memory_size,
                    .memory_alignment = layout.memory_alignment,
                    .thread_local_bytes = layout.thread_local_size},
      needs_of(*dylink));
}

Result<> GuestLinks::check(native::NativeError* error) {
  auto done = take_native_error(error);
  if (!done) {
    guest_.note_failure_inside(done.error());
  }
  return done;
}

Result<LibraryNumber> GuestLinks::load(const Library& library, const Memory& memory,
                                       std::span<const LibraryNumber> scope) {
  LibraryNumber number = 0;
  SELVEDGE_TRY_VOID(check(native::selvedge_guest_load_library(
      &guest_.native_, library.native(), memory.base, memory.thread_blocks.data(),
      memory.thread_blocks.size(), scope.data(), scope.size(), &number)));
  return number;
}

Result<> GuestLinks::bind_program(std::span<const LibraryNumber> scope) {
  return check(native::selvedge_guest_bind_program(&guest_.native_, scope.data(), scope.size()));
}

Result<std::optional<std::uint32_t>> GuestLinks::symbol(std::span<const LibraryNumber> scope,
                                                        std::string_view name) {
  native::SymbolAddress symbol{};
  SELVEDGE_TRY_VOID(check(native::selvedge_guest_symbol(&guest_.native_, scope.data(), scope.size(),
                                                        to_native(name), &symbol)));
  return symbol.found ? std::optional(symbol.address) : std::nullopt;
}

Result<TableIndex> GuestLinks::initializer(LibraryNumber number, std::string_view name) {
  TableIndex index = 0;
  SELVEDGE_TRY_VOID(
      check(native::selvedge_guest_initializer(&guest_.native_, number, to_native(name), &index)));
  return index;
}

Result<std::string> GuestLinks::signature(TableIndex function) {
  native::Buffer* text = nullptr;
  SELVEDGE_TRY_VOID(
      check(native::selvedge_guest_function_signature(&guest_.native_, function, &text)));
  const std::unique_ptr<native::Buffer, FreeBuffer> owned(text);
  return std::string(text_of(native::selvedge_buffer_bytes(text)));
}

Result<TableIndex> GuestLinks::caller(TableIndex function, Layout layout) {
  TableIndex index = 0;
  SELVEDGE_TRY_VOID(check(
      native::selvedge_guest_caller(&guest_.native_, function, layout == Layout::kTyped, &index)));
  return index;
}

Result<TableIndex> GuestLinks::allocate_closure() {
  TableIndex index = 0;
  SELVEDGE_TRY_VOID(check(native::selvedge_guest_closure_allocate(&guest_.native_, &index)));
  return index;
}

Result<> GuestLinks::prepare_closure(TableIndex closure, std::string_view signature,
                                     TableIndex backing, std::uint32_t environment) {
  return check(native::selvedge_guest_closure_prepare(&guest_.native_, closure,
                                                      to_native(signature), backing, environment));
}

Result<> GuestLinks::free_closure(TableIndex closure) {
  return check(native::selvedge_guest_closure_free(&guest_.native_, closure));
}

Result<bool> GuestLinks::is_closure(TableIndex function) {
  bool is_closure = false;
  SELVEDGE_TRY_VOID(
      check(native::selvedge_guest_is_closure(&guest_.native_, function, &is_closure)));
  return is_closure;
}

}  // namespace selvedge::engine
