#include "engine/module.h"

#include <utility>

#include "engine/internal/native_text.h"

namespace selvedge::engine {
namespace {

ExternKind to_kind(native::ExternKind kind) noexcept {
  return static_cast<ExternKind>(static_cast<unsigned char>(kind));
}

}  // namespace

Module::~Module() { native::selvedge_module_free(native_); }

std::vector<ImportDescription> Module::imports() const {
  std::vector<ImportDescription> imports;
  const std::size_t count = native::selvedge_module_import_count(native_);
  imports.reserve(count);
  for (std::size_t index = 0; index < count; ++index) {
    const native::ImportDescription import = native::selvedge_module_import(native_, index);
    imports.push_back({.module = std::string(text_of(import.module)),
                       .name = std::string(text_of(import.name)),
                       .kind = to_kind(import.kind),
                       .signature = std::string(text_of(import.signature))});
  }
  return imports;
}

std::vector<ExportDescription> Module::exports() const {
  std::vector<ExportDescription> exports;
  const std::size_t count = native::selvedge_module_export_count(native_);
  exports.reserve(count);
  for (std::size_t index = 0; index < count; ++index) {
    const native::ExportDescription item = native::selvedge_module_export(native_, index);
    exports.push_back({.name = std::string(text_of(item.name)),
                       .kind = to_kind(item.kind),
                       .signature = std::string(text_of(item.signature))});
  }
  return exports;
}

bool Module::has_export(std::string_view name, ExternKind kind) const noexcept {
  return native::selvedge_module_has_export(
      native_, to_native(name), static_cast<native::ExternKind>(static_cast<unsigned char>(kind)));
}

LinkedModule::LinkedModule(native::LinkedModule* native,
                           std::shared_ptr<const Module> module) noexcept
    : native_(native),
      module_(std::move(module)),
      needs_memory_(native::selvedge_linked_module_needs_memory(native)),
      unwinds_(native::selvedge_linked_module_unwinds(native)),
      forks_(native::selvedge_linked_module_forks(native)),
      has_contexts_(native::selvedge_linked_module_has_contexts(native)),
      is_dynamic_(native::selvedge_linked_module_is_dynamic(native)) {}

LinkedModule::~LinkedModule() { native::selvedge_linked_module_free(native_); }

}  // namespace selvedge::engine
