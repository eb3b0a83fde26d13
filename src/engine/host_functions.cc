#include "engine/host_functions.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/internal/native_error.h"
#include "engine/internal/native_text.h"
#include "engine/library.h"

namespace selvedge::engine {
namespace {

std::string_view kind_name(ExternKind kind) noexcept {
  switch (kind) {
    case ExternKind::kFunction:
      return "function";
    case ExternKind::kMemory:
      return "memory";
    case ExternKind::kTable:
      return "table";
    case ExternKind::kGlobal:
      return "global";
    case ExternKind::kTag:
      return "tag";
  }
  return "item";
}

// "iI:i" as "(i32, i64) -> i32".
std::string readable(std::string_view signature) {
  const auto list = [](std::string_view letters) {
    std::string text;
    for (const char letter : letters) {
      text += text.empty() ? "" : ", ";
      text += letter == 'i'   ? "i32"
              : letter == 'I' ? "i64"
              : letter == 'f' ? "f32"
              : letter == 'F' ? "f64"
              : letter == 'V' ? "v128"
                              : "reference";
    }
    return text;
  };
  const std::size_t colon = std::min(signature.find(':'), signature.size() - 1);
  const std::string results = list(signature.substr(colon + 1));
  return fmt::format("({}) -> {}", list(signature.substr(0, colon)),
                     results.empty() ? "nothing" : results);
}

}  // namespace

HostFunctions::HostFunctions(const Engine& engine)
    : native_(native::selvedge_host_functions_new(engine.native())) {}

HostFunctions::~HostFunctions() { native::selvedge_host_functions_free(native_); }

Result<> HostFunctions::check_imports(const ModuleInfo& info) const {
  for (const InspectedImport& import : info.imports) {
    const auto trouble = [&import](std::string_view what) {
      return fail_format(
          ErrorKind::kInvalid, "the module imports the {} \"{}\".\"{}\"{} at byte {} (0x{:x})",
          kind_name(import.kind), import.module, import.name, what, import.offset, import.offset);
    };
    if (import.kind == ExternKind::kMemory && import.signature == "shared") {
      continue;  // the process makes it: SharedMemory
    }
    if (import.kind != ExternKind::kFunction) {
      return trouble(", which is not provided,");
    }
    const auto module = signatures_.find(import.module);
    if (module == signatures_.end() || !module->second.contains(import.name)) {
      return trouble(fmt::format(" {}, which is not provided,", readable(import.signature)));
    }
    const std::string& offered = module->second.find(import.name)->second;
    if (offered != import.signature) {
      return trouble(
          fmt::format(" as {}, but it is {},", readable(import.signature), readable(offered)));
    }
  }
  return {};
}

Result<std::shared_ptr<const LinkedModule>> HostFunctions::link(
    std::shared_ptr<const Module> module) const {
  const std::lock_guard lock(mutex_);
  const auto known = linked_.find(module.get());
  if (known != linked_.end()) {
    if (auto linked = known->second.lock()) {
      return linked;
    }
  }
  native::LinkedModule* native = nullptr;
  SELVEDGE_TRY_VOID(
      take_native_error(native::selvedge_host_functions_link(native_, module->native(), &native)));
  auto linked = std::make_shared<const LinkedModule>(native, std::move(module));
  // When there may be as many gone as there are.
  if (linked_.size() >= sweep_linked_at_) {
    std::erase_if(linked_, [](const auto& item) { return item.second.expired(); });
    sweep_linked_at_ = std::max(kSweepLinkedMin, 2 * linked_.size());
  }
  linked_.insert_or_assign(&linked->module(), linked);
  return linked;
}

Result<std::shared_ptr<const Library>> HostFunctions::link_library(
    std::shared_ptr<const Module> module, base::ByteSpan wasm) const {
  return Library::create(*native_, *module, wasm);
}

void HostFunctions::define_erased(std::string_view module, std::string_view name,
                                  std::string_view signature, bool blocking, const void* function) {
  const auto defined = take_native_error(native::selvedge_host_functions_define(
      native_, to_native(module), to_native(name), to_native(signature), blocking, function));
  if (!defined) {
    log::error("{}", defined.error().message());
  }
  SELVEDGE_ASSERT(defined.has_value());
  signatures_[std::string(module)].emplace(name, signature);
}

}  // namespace selvedge::engine
