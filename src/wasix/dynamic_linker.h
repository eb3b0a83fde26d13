#pragma once

// The libraries of one process: which files they are, in what order they begin, who sees whose
// symbols. Loading one takes three steps, since only the first may wait and only the guest itself
// can run its code:
//
//   1. find(): the files of a library and of those it needs are read and compiled.
//   2. next_initializer(), again and again: all of them are linked and relocated, then constructed,
//      what is needed first. The guest calls what is returned, with its own stack, until nothing is
//      left.
//   3. What the guest's dlopen returns is in the opening.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/library.h"
#include "io/event.h"
#include "io/task.h"
#include "wasix/abi_dynamic.h"
#include "wasix/thread.h"

namespace selvedge::wasix {

class File;
class Process;

struct LibraryRequest {
  // With a slash: a path, from the working directory. Else a name, which is looked for.
  std::string name;
  // Colon-separated folders, before the system's own.
  std::string search_path;
  bool global = false;      // others see its symbols
  bool deep = false;        // it sees its own before those of the program
  bool only_known = false;  // it is not loaded if it is not yet
};

// Handles of libraries begin here: the numbers before it have meanings of their own.
inline constexpr LibraryHandle kFirstLibraryHandle = abi::kDlProgram + 1;

// One shard's thread; outlives the instances of its process.
class DynamicLinker {
 public:
  // Files in one search, and how deep libraries may need others.
  static constexpr std::size_t kFoldersMax = 64;
  static constexpr std::size_t kDepthMax = 32;
  // Libraries of a process; those that failed do not count.
  static constexpr std::size_t kLibrariesMax = 256;
  // How often those of a program are tried that want symbols of later ones.
  static constexpr std::size_t kPostponementsMax = 1000;

  explicit DynamicLinker(Process& process);

  const engine::LinkMap& map() const noexcept [[clang::lifetimebound]] { return map_; }
  // A library has been looked into, or a function been made: the guest's stack may lead through
  // it, and another process does not have it.
  bool used() const noexcept { return next_place_ != 0 || !map_.empty(); }

  // NotFound: there is no such file; Invalid: it cannot be a library of this program. The linker
  // and `thread` outlive the task.
  io::Task<LibraryOpening> find(const Thread& thread, LibraryRequest request);
  // The same for what the program needs before it starts; it is called first.
  io::Task<LibraryOpening> find_needed(engine::LibraryNeeds needs);
  // From a host function that does not wait: what the guest calls next, or 0 when all of the
  // opening has begun or one of its libraries could not (LibraryOpening::error).
  engine::TableIndex next_initializer(Thread& thread, LibraryOpening& opening);
  // Before the new thread `id` has an instance: memory for its thread-local variables of the
  // libraries, and where it has the program's. Overloaded: there is none. `thread` asks for it.
  Result<> prepare_thread(Thread& thread, ThreadId id, std::uint32_t start_argument);
  // A thread has ended and begins nothing any more.
  void thread_ended(ThreadId thread) noexcept {
    map_.end_thread(thread);
    begun_.notify();
  }

  // The same way: the address of a symbol. NotFound; Invalid: the handle.
  Result<std::uint32_t> symbol(Thread& thread, LibraryHandle handle, std::string_view name);
  // Invalid: the handle. What is loaded stays: other code may hold its addresses.
  Result<> close(LibraryHandle handle);
  bool valid(LibraryHandle handle) const noexcept;

 private:
  enum class State : unsigned char {
    kFinding,       // what it needs is not known yet
    kFound,         // it can be linked
    kLinked,        // and is, by its beginner, who has not constructed it yet
    kConstructing,  // its constructors run
    kReady,
  };
  struct Entry {
    std::string path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::shared_ptr<const engine::Library> code;
    // Places; without those that failed.
    std::vector<std::size_t> needed;
    engine::LibraryNumber number = 0;
    // Threads for which there is memory for its thread-local variables.
    std::size_t thread_blocks = 0;
    ThreadId beginner = 0;
    State state = State::kFinding;
    bool global = false;
    std::uint32_t references = 0;
  };
  struct FoundFile;
  class Finding;

  // A name, and in which folders it is looked for, before the system's own.
  struct Wanted {
    std::string name;
    std::vector<std::string> folders;
  };
  io::Task<std::size_t> enter(Wanted wanted, std::string search_path, std::size_t depth,
                              bool only_known);
  Result<FoundFile> find_file(const Wanted& wanted);
  // What the module at `path` needs, where its section "dylink.0" says.
  std::vector<Wanted> wanted_by(const engine::LibraryNeeds& needs, std::string_view origin,
                                std::string_view search_path) const;
  std::optional<std::size_t> find_entry(const FoundFile& file) const noexcept;
  // Takes `place` out, and everything that needs it and is not linked.
  void drop(std::size_t place) noexcept;
  // The places behind everything that they need.
  std::vector<std::size_t> in_order(const std::vector<std::size_t>& places) const;
  // Others have to do something before all of this can begin.
  bool others_are_busy(const Thread& thread, const std::vector<std::size_t>& places) const noexcept;

  std::vector<engine::LibraryNumber> global_scope() const;
  void add_with_needed(std::vector<std::size_t> places,
                       std::vector<engine::LibraryNumber>& scope) const;
  Result<> link(Thread& thread, Entry& entry, std::size_t place, bool deep);
  Result<std::uint32_t> reserve(Thread& thread, std::uint32_t bytes, std::uint32_t alignment);
  // One step each: an initializer, or 0.
  engine::TableIndex link_next(Thread& thread, LibraryOpening& opening);
  Result<engine::TableIndex> bind_program(Thread& thread, const LibraryOpening& opening);
  engine::TableIndex construct_next(Thread& thread, LibraryOpening& opening);
  std::string error_of(std::size_t place, const Error& error) const;
  // What of it is linked is constructed nevertheless.
  void fail_opening(LibraryOpening& opening, std::size_t place, const Error& error);

  Process& process_;
  engine::LinkMap map_;
  // By place, a number that is never used again: handles are places.
  std::map<std::size_t, Entry> entries_;
  std::size_t next_place_ = 0;
  // The state of an entry has changed, or it is gone.
  io::Event begun_;
  // Memory that was reserved for a library and is not used by it.
  std::uint64_t spare_begin_ = 0;
  std::uint64_t spare_end_ = 0;
};

}  // namespace selvedge::wasix
