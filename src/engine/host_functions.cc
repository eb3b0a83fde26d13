#include "engine/host_functions.h"

#include "base/assert.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/internal/native_error.h"
#include "engine/internal/native_text.h"

namespace selvedge::engine {

HostFunctions::HostFunctions(const Engine& engine)
    : native_(native::selvedge_host_functions_new(engine.native())) {}

HostFunctions::~HostFunctions() { native::selvedge_host_functions_free(native_); }

Result<std::shared_ptr<const LinkedModule>> HostFunctions::link(
    std::shared_ptr<const Module> module) const {
  native::LinkedModule* linked = nullptr;
  SELVEDGE_TRY_VOID(
      take_native_error(native::selvedge_host_functions_link(native_, module->native(), &linked)));
  return std::make_shared<const LinkedModule>(linked, std::move(module));
}

void HostFunctions::define_erased(std::string_view module, std::string_view name,
                                  std::string_view signature, bool blocking, const void* function) {
  const auto defined = take_native_error(native::selvedge_host_functions_define(
      native_, to_native(module), to_native(name), to_native(signature), blocking, function));
  if (!defined) {
    log::error("{}", defined.error().message());
  }
  SELVEDGE_ASSERT(defined.has_value());
}

}  // namespace selvedge::engine
