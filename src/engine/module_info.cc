#include "engine/module_info.h"

#include <algorithm>
#include <memory>

#include <native.h>

#include "engine/internal/native_error.h"
#include "engine/internal/native_text.h"

namespace selvedge::engine {
namespace {

constexpr std::uint64_t kPageBytes = 64 << 10;

struct FreeInfo {
  void operator()(native::ModuleInfo* info) const noexcept {
    native::selvedge_module_info_free(info);
  }
};
struct FreeBuffer {
  void operator()(native::Buffer* buffer) const noexcept { native::selvedge_buffer_free(buffer); }
};

ExternKind kind_of(native::InspectedKind kind) noexcept {
  switch (kind) {
    case native::InspectedKind::Function:
      return ExternKind::kFunction;
    case native::InspectedKind::Memory:
      return ExternKind::kMemory;
    case native::InspectedKind::Table:
      return ExternKind::kTable;
    case native::InspectedKind::Global:
      return ExternKind::kGlobal;
    case native::InspectedKind::Tag:
      return ExternKind::kTag;
  }
  __builtin_unreachable();
}

}  // namespace

const InspectedImport* ModuleInfo::find_import(std::string_view module,
                                               std::string_view name) const noexcept {
  const auto found = std::ranges::find_if(imports, [&](const InspectedImport& import) {
    return import.module == module && import.name == name;
  });
  return found == imports.end() ? nullptr : &*found;
}

Result<ModuleInfo> inspect_module(base::ByteSpan wasm, bool linked) {
  native::ModuleInfo* received = nullptr;
  SELVEDGE_TRY_VOID(
      take_native_error(native::selvedge_module_inspect(to_native(wasm), linked, &received)));
  const std::unique_ptr<native::ModuleInfo, FreeInfo> owned(received);
  ModuleInfo info;
  const std::size_t import_count = native::selvedge_module_info_import_count(owned.get());
  info.imports.reserve(import_count);
  for (std::size_t i = 0; i < import_count; ++i) {
    const auto import = native::selvedge_module_info_import(owned.get(), i);
    info.imports.push_back({{.module = std::string(text_of(import.module)),
                             .name = std::string(text_of(import.name)),
                             .kind = kind_of(import.kind),
                             .signature = std::string(text_of(import.signature))},
                            import.offset});
  }
  const std::size_t export_count = native::selvedge_module_info_export_count(owned.get());
  info.exports.reserve(export_count);
  for (std::size_t i = 0; i < export_count; ++i) {
    const auto item = native::selvedge_module_info_export(owned.get(), i);
    info.exports.push_back({.name = std::string(text_of(item.name)),
                            .kind = kind_of(item.kind),
                            .signature = std::string(text_of(item.signature))});
  }
  return info;
}

namespace {

// A module that was made, or none. Takes over `received`.
std::optional<std::vector<std::byte>> take_module(native::Buffer* received) {
  if (received == nullptr) {
    return std::nullopt;
  }
  const std::unique_ptr<native::Buffer, FreeBuffer> owned(received);
  const base::ByteSpan bytes = bytes_of(native::selvedge_buffer_bytes(owned.get()));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

}  // namespace

Result<std::optional<std::vector<std::byte>>> prelink_module(base::ByteSpan wasm) {
  native::Buffer* received = nullptr;
  SELVEDGE_TRY_VOID(take_native_error(native::selvedge_module_prelink(to_native(wasm), &received)));
  return take_module(received);
}

Result<std::optional<std::vector<std::byte>>> rewrite_module(base::ByteSpan wasm,
                                                             const RewriteOptions& options) {
  const native::RewriteOptions native_options{
      .shared_memory_pages_max = options.shared_memory_bytes_max / kPageBytes,
      .linked = options.linked};
  native::Buffer* received = nullptr;
  SELVEDGE_TRY_VOID(take_native_error(
      native::selvedge_module_rewrite(to_native(wasm), &native_options, &received)));
  return take_module(received);
}

}  // namespace selvedge::engine
