#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <native.h>

#include "base/bytes.h"

namespace selvedge::engine {

// BLAKE3 of a module's bytes as they were given, before any rewriting.
using ContentHash = std::array<std::byte, 32>;

enum class ExternKind : unsigned char { kFunction, kMemory, kTable, kGlobal, kTag };

struct ImportDescription {
  std::string module;
  std::string name;
  ExternKind kind;
  // Functions: "iI:i" (see HostFunctions); "?" when a type has no letter. Memories, as inspected:
  // "shared" or empty. Empty otherwise.
  std::string signature;
};

struct ExportDescription {
  std::string name;
  ExternKind kind;
  std::string signature;
};

// Compiled code, ready to be linked and run. Immutable; shared by shards; frees its code when the
// last owner and the last instance are gone.
class Module {
 public:
  // Takes over `native`. For Engine.
  Module(native::Module* native, ContentHash hash) noexcept : native_(native), hash_(hash) {}
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  const ContentHash& content_hash() const noexcept [[clang::lifetimebound]] { return hash_; }
  // In the module's order. Any thread; built anew at each call.
  std::vector<ImportDescription> imports() const;
  std::vector<ExportDescription> exports() const;
  bool has_export(std::string_view name, ExternKind kind) const noexcept;

  native::Module* native() const noexcept { return native_; }

 private:
  native::Module* native_;
  ContentHash hash_;
};

// A module whose imports are resolved: what instances are made of. Immutable; any thread.
class LinkedModule {
 public:
  // Takes over `native`. For HostFunctions.
  LinkedModule(native::LinkedModule* native, std::shared_ptr<const Module> module) noexcept;
  ~LinkedModule();
  LinkedModule(const LinkedModule&) = delete;
  LinkedModule& operator=(const LinkedModule&) = delete;

  const Module& module() const noexcept [[clang::lifetimebound]] { return *module_; }
  const std::shared_ptr<const Module>& shared_module() const noexcept [[clang::lifetimebound]] {
    return module_;
  }
  // It imports a shared memory and is not bound to one yet (see SharedMemory).
  bool needs_memory() const noexcept { return needs_memory_; }
  // Its stack can leave it and come back (call_stack.h): it has what Asyncify adds.
  bool unwinds() const noexcept { return unwinds_; }
  // It imports `proc_fork`, and unwinds.
  bool forks() const noexcept { return forks_; }
  // Its guest threads can have further contexts (HostContext::pass_globals).
  bool has_contexts() const noexcept { return has_contexts_; }
  // It can load libraries and call functions by the number of their table element (library.h).
  bool is_dynamic() const noexcept { return is_dynamic_; }
  const native::LinkedModule* native() const noexcept { return native_; }

 private:
  native::LinkedModule* native_;
  std::shared_ptr<const Module> module_;
  // Asked for once: every start of a process wants to know.
  bool needs_memory_;
  bool unwinds_;
  bool forks_;
  bool has_contexts_;
  bool is_dynamic_;
};

}  // namespace selvedge::engine
