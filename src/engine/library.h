#pragma once

// Dynamic linking: modules that a guest loads while it runs, and functions that it names by the
// number of their table element.
//
// A library is a module with a section "dylink.0"
// (https://github.com/WebAssembly/tool-conventions/blob/main/DynamicLinking.md). It shares memory
// and table with the program. Each thread of a process has instances of its own; a LinkMap says
// what all of them have, and a thread follows it before its code runs again.
//
//   LinkMap map;                                              // one for each process
//   SELVEDGE_TRY(instance, Instance::create(linked, context, limits, {.map = &map}));
//   // in a host function that `context` called:
//   SELVEDGE_TRY(LibraryNumber number, GuestLinks(context).load(*library, base, scope));

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <native.h>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/host_context.h"
#include "engine/module.h"

namespace selvedge::engine {

// What a library wants of a process; alignments are powers of two.
struct LibraryLayout {
  std::uint32_t memory_bytes = 0;
  std::uint32_t memory_alignment = 1;
  // Of the variables that each thread has for itself; aligned as the rest.
  std::uint32_t thread_local_bytes = 0;
};

// The libraries whose symbols a module wants.
struct LibraryNeeds {
  std::vector<std::string> names;
  // Where they are looked for, besides the usual folders; "$ORIGIN" stands for the module's own.
  std::vector<std::string> folders;
};

// Those of a program that Engine::load() has prepared for them: it calls `load_needed` of
// kRewriteHostModule first, which is to load them and bind the program.
LibraryNeeds library_needs(const Module& program);

// Compiled code that any process can load. Immutable; any thread.
class Library {
  // Only create() can name it.
  struct Private {};

 public:
  Library(Private, native::Library* native, LibraryLayout layout, LibraryNeeds needs);
  // For HostFunctions.
  static Result<std::shared_ptr<const Library>> create(const native::HostFunctions& functions,
                                                       const Module& module, base::ByteSpan wasm);
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const LibraryLayout& layout() const noexcept [[clang::lifetimebound]] { return layout_; }
  const LibraryNeeds& needs() const noexcept [[clang::lifetimebound]] { return needs_; }
  const native::Library* native() const noexcept { return native_; }

 private:
  native::Library* native_;
  LibraryLayout layout_;
  LibraryNeeds needs_;
};

// Of one process; the program itself is 0.
using LibraryNumber = std::uint32_t;
inline constexpr LibraryNumber kProgram = 0;

// The libraries of one process. Outlives its instances; one shard's thread.
class LinkMap {
 public:
  LinkMap() noexcept : native_(native::selvedge_link_map_new()) {}
  ~LinkMap() { native::selvedge_link_map_free(native_); }
  LinkMap(const LinkMap&) = delete;
  LinkMap& operator=(const LinkMap&) = delete;

  // Nothing has been loaded, and no function of the table been made.
  bool empty() const noexcept { return native::selvedge_link_map_is_empty(native_); }
  // Memory for the thread-local variables that one more thread will have of a library; before it
  // has an instance. What threads that have ended leave behind is used again.
  void add_thread_block(LibraryNumber number, std::uint32_t address) noexcept {
    native::selvedge_link_map_add_block(native_, number, address);
  }
  // Where a new thread will have the program's own thread-local variables, for libraries that use
  // them; before it has an instance.
  void set_program_block(std::uint32_t thread, std::uint32_t address) noexcept {
    native::selvedge_link_map_set_program_block(native_, thread, address);
  }
  void end_thread(std::uint32_t thread) noexcept {
    native::selvedge_link_map_end_thread(native_, thread);
  }
  const native::LinkMap* native() const noexcept { return native_; }

 private:
  native::LinkMap* native_;
};

// Where a function is in the guest's table; 0 is none.
using TableIndex = std::uint32_t;

// A guest's side of it. Only from a host function of that guest that is not a Blocking one; the
// guest's module is dynamic and was given a LinkMap, else everything is Unsupported. Errors are
// Invalid, in one sentence; some of them leave the guest ending().
class GuestLinks {
 public:
  explicit GuestLinks(HostContext& guest [[clang::lifetimebound]]) noexcept : guest_(guest) {}

  struct Memory {
    // Reserved and aligned, for all of the library.
    std::uint32_t base = 0;
    // The same for its thread-local variables: one for what a new thread finds in them, and one for
    // each thread of the process but this.
    std::span<const std::uint32_t> thread_blocks;
  };
  // Loads a library, which finds its symbols in `scope`, in this order. Its start function has run,
  // its constructors have not. NotFound: a symbol that nothing defines, and nothing has happened.
  Result<LibraryNumber> load(const Library& library, const Memory& memory,
                             std::span<const LibraryNumber> scope);
  // Gives the program, which needs libraries, their symbols in this order. Once, before its code
  // runs.
  Result<> bind_program(std::span<const LibraryNumber> scope);
  // The address of a symbol, of data in memory or of a function in the table; nullopt: none of
  // `scope` has it.
  Result<std::optional<std::uint32_t>> symbol(std::span<const LibraryNumber> scope,
                                              std::string_view name);
  // Where the guest can call, once and at once, a function without parameters and results that the
  // library exports; 0: it does not.
  Result<TableIndex> initializer(LibraryNumber number, std::string_view name);

  // The signature of a function, "iI:f", with V for vectors and ? for references.
  Result<std::string> signature(TableIndex function);
  // How the values of a call lie in memory.
  enum class Layout : unsigned char {
    kPacked,  // one behind the other
    kTyped,   // records of 24 bytes: the type at 0, the value at 8
  };
  // A function (function, values, values_size, results, results_size) that calls any function of
  // this one's type. A value or result that does not fit into its size is 0, or dropped. A new type
  // takes a millisecond.
  Result<TableIndex> caller(TableIndex function, Layout layout);

  // Functions made at run time. One that is allocated can be prepared any number of times: it then
  // has the signature, and calls `backing` (arguments, results, environment).
  Result<TableIndex> allocate_closure();
  Result<> prepare_closure(TableIndex closure, std::string_view signature, TableIndex backing,
                           std::uint32_t environment);
  Result<> free_closure(TableIndex closure);
  Result<bool> is_closure(TableIndex function);

 private:
  Result<> check(native::NativeError* error);

  HostContext& guest_;
};

}  // namespace selvedge::engine
