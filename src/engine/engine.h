#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include <native.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "engine/module.h"
#include "engine/work_sharing.h"

namespace selvedge::engine {

class ArtifactCache;
class EpochTicker;
class HostFunctions;

// Sizes of the pool that instances come from. Address space is reserved at start (4 GiB and guard
// for each instance), memory only as guests touch it. None of these numbers changes compiled code:
// every engine of a version loads the same artifacts.
struct EngineOptions {
  // Guest threads that can exist at once; 1 to kInstancesMax.
  std::uint32_t instances_max = 16;
  // Hard maximum of one linear memory; InstanceLimits may be lower. At most 4 GiB.
  std::uint64_t memory_bytes_max = std::uint64_t{4} << 30;
  std::uint64_t table_elements_max = 1 << 20;
  // Guest stack, and what is left below it for host functions.
  std::uint64_t wasm_stack_bytes = 1 << 20;
  std::uint64_t host_stack_bytes = 256 << 10;
  // Bytes of an instance's memory that are cleared and kept instead of given back to the kernel
  // when it ends: trades resident memory of free slots for fewer page faults. Only pages that the
  // guest wrote count; a kernel before Linux 6.7 does not say which, and then it is 128 KiB at
  // most, whether written or not. Interpreters write 2 to 4 MB until they run a program.
  std::uint64_t memory_keep_resident_bytes = 4 << 20;
  // The same of its stack. 0 leaves stacks as they are: no guest can read what is on one, the pool
  // may keep resident what its guests' deepest calls touched (at most the stack sizes above for
  // each instance), and a fresh instance is 2 microseconds cheaper.
  std::uint64_t stack_keep_resident_bytes = 0;
  // Free slots that stay mapped with their last module's image.
  std::uint32_t warm_slots_max = 100;
  // Compile functions of a module on several threads.
  bool parallel_compilation = true;

  // Where compiled modules are kept between runs; empty keeps none. The folder is created (0700)
  // and must be writable by this user only.
  std::filesystem::path cache_folder = {};
  // Tags the artifacts: one with another tag is never loaded. Without a key, one is made at first
  // use from `random`, and kept in the folder (0600).
  std::optional<std::array<std::byte, 32>> cache_key = std::nullopt;
  base::Random* random = nullptr;
  // The least recently used artifacts are removed beyond this.
  std::uint64_t cache_bytes_max = std::uint64_t{4} << 30;
};

inline constexpr std::uint32_t kInstancesMax = 30'000;
// Bytes of one module that compile and load accept.
inline constexpr std::size_t kModuleBytesMax = std::size_t{256} << 20;
// A running guest is interrupted this often.
inline constexpr std::chrono::milliseconds kEpochTick{1};

struct CompileProgress {
  enum class Stage : unsigned char { kChecking, kRewriting, kCompiling, kStoring };
  Stage stage;
  // Bytes of the module being worked on.
  std::size_t module_bytes;
};

struct CompileOptions {
  // Called at each stage of a compilation, on the compiling thread; not at all when the artifact
  // comes from the cache. May be empty.
  std::function<void(const CompileProgress&)> progress = {};
  // When given, a module with an import that these do not satisfy is refused before it is compiled,
  // with the import's byte offset; linking finds the same later.
  const HostFunctions* functions = nullptr;
  // Of the module's bytes, from whoever has just verified them by it. Without it the bytes are
  // hashed.
  std::optional<ContentHash> content_hash = std::nullopt;
};

struct PoolMetrics {
  std::uint64_t instances = 0;
  std::uint64_t memories = 0;
  std::uint64_t tables = 0;
  std::uint64_t stacks = 0;
  std::uint64_t warm_memories = 0;
  std::uint64_t warm_memory_bytes = 0;
};

// The Wasm engine of the process: compiles, keeps artifacts, and owns the instance pool and the
// thread that interrupts running guests. Outlives everything made from it. Any thread.
class Engine {
 public:
  // Unsupported when this CPU lacks what artifacts are compiled for (x86-64-v3); Invalid for
  // options out of range; Internal when the pool cannot be reserved. Takes a few milliseconds.
  static Result<std::unique_ptr<Engine>> create(EngineOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The module for these bytes (Wasm binary): from the artifact cache, or checked, rewritten and
  // compiled, which takes seconds for big modules. Invalid or Unsupported in one sentence naming
  // the import or feature and the byte offset. Blocks: call it from a helper thread.
  Result<std::shared_ptr<const Module>> load(base::ByteSpan wasm,
                                             const CompileOptions& options = {});

  // The module whose bytes have this hash, when it is in memory or in the artifact cache: so the
  // bytes need not be read. nullptr: it has to be compiled by load(). Blocks like it.
  std::shared_ptr<const Module> find(const ContentHash& hash);

  PoolMetrics pool_metrics() const noexcept;
  EpochTicker& ticker() noexcept [[clang::lifetimebound]] { return *ticker_; }
  // For the schedulers of its guests.
  WorkSharing& work_sharing() noexcept [[clang::lifetimebound]] { return work_sharing_; }
  native::Engine* native() const noexcept { return native_; }

 private:
  explicit Engine(native::Engine* native) noexcept;

  using MakeModule = std::function<Result<std::shared_ptr<const Module>>()>;
  // The module of this hash, if it is in memory; else what `make` returns, which one thread at a
  // time calls.
  Result<std::shared_ptr<const Module>> share(const ContentHash& hash, const MakeModule& make);
  Result<std::shared_ptr<const Module>> load_once(base::ByteSpan wasm, const ContentHash& hash,
                                                  const CompileOptions& options);
  std::shared_ptr<const Module> load_cached(const ContentHash& hash) const;
  std::array<std::byte, 32> artifact_id(const ContentHash& hash) const noexcept;

  native::Engine* native_;
  // What artifacts are compiled for; asking for it takes longer than reading a small one.
  std::array<std::uint8_t, 32> compatibility_{};
  std::unique_ptr<EpochTicker> ticker_;
  WorkSharing work_sharing_;
  std::unique_ptr<ArtifactCache> cache_;

  // Modules alive in this process, and those being made by some thread right now.
  std::mutex mutex_;
  std::condition_variable load_ended_;
  std::map<ContentHash, std::weak_ptr<const Module>> loaded_;
  std::set<ContentHash> loading_;
};

// The binary form of a module in the text format (.wat). Invalid with line and column. Any thread.
Result<std::vector<std::byte>> wat_to_wasm(std::string_view text);

// True when the bytes begin like a Wasm binary of version 1.
bool looks_like_wasm(base::ByteSpan bytes) noexcept;

}  // namespace selvedge::engine
