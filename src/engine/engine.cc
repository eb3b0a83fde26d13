#include "engine/engine.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "base/format.h"
#include "base/log.h"
#include "engine/artifact_cache.h"
#include "engine/epoch_ticker.h"
#include "engine/host_functions.h"
#include "engine/internal/native_error.h"
#include "engine/internal/native_text.h"
#include "engine/module_info.h"

#if __has_feature(thread_sanitizer)
// Guests' traps arrive as synchronous signals, in which the engine allocates: safe, as no
// allocation of ours can be interrupted by one.
extern "C" const char* __tsan_default_options() { return "report_signal_unsafe=0"; }
// The Rust library is not instrumented, so the lock that hands a memory of the pool from thread to
// thread is not seen, only the memset that clears it is. Named by that one function: a frame
// anywhere in a stack matches, and "wasmtime::runtime::vm" is in the stack of every host function.
extern "C" const char* __tsan_default_suppressions() {
  return "race:reset_with_original_mapping\n";
}
#endif

namespace selvedge::engine {
namespace {

// Part of an artifact's identity: changes whenever our rewriting of modules does.
constexpr std::string_view kRewriteVersion = "selvedge rewrite 10";
// Part of the above: a shared memory reserves its maximum, so 2 GiB is all that one may declare.
constexpr std::uint64_t kSharedMemoryBytesMax = std::uint64_t{2} << 30;

// A buffer of the Rust library.
class NativeBuffer {
 public:
  NativeBuffer() = default;
  ~NativeBuffer() { native::selvedge_buffer_free(buffer_); }
  NativeBuffer(const NativeBuffer&) = delete;
  NativeBuffer& operator=(const NativeBuffer&) = delete;

  native::Buffer** out() noexcept { return &buffer_; }
  base::ByteSpan bytes() const noexcept [[clang::lifetimebound]] {
    return bytes_of(native::selvedge_buffer_bytes(buffer_));
  }

 private:
  native::Buffer* buffer_ = nullptr;
};

ContentHash hash_of(base::ByteSpan bytes) noexcept {
  ContentHash hash;
  native::selvedge_blake3_hash(to_native(bytes), reinterpret_cast<std::uint8_t*>(hash.data()));
  return hash;
}

// A guest that runs needs this many memory mappings (measured by Instance_ResidentWhileIdle).
constexpr std::uint64_t kMappingsPerInstance = 5;

// The kernel's limit on mappings shows as guests that cannot be started, hours later.
void warn_about_mappings(std::uint32_t instances_max) {
  std::ifstream file("/proc/sys/vm/max_map_count");
  std::uint64_t mappings_max = 0;
  const std::uint64_t needed = instances_max * kMappingsPerInstance;
  if (file >> mappings_max && needed > mappings_max) {
    log::warning(
        "{} instances need {} memory mappings and the kernel allows {}: "
        "run sysctl -w vm.max_map_count={}",
        instances_max, needed, mappings_max, 2 * needed);
  }
}

void report(const CompileOptions& options, CompileProgress::Stage stage, base::ByteSpan wasm) {
  if (options.progress) {
    options.progress({.stage = stage, .module_bytes = wasm.size()});
  }
}

}  // namespace

bool looks_like_wasm(base::ByteSpan bytes) noexcept {
  constexpr std::string_view kMagic("\0asm\1\0\0\0", 8);
  return base::as_text(bytes).starts_with(kMagic);
}

Result<std::vector<std::byte>> wat_to_wasm(std::string_view text) {
  NativeBuffer wasm;
  SELVEDGE_TRY_VOID(take_native_error(native::selvedge_wat_to_wasm(to_native(text), wasm.out())));
  const base::ByteSpan bytes = wasm.bytes();
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Result<std::unique_ptr<Engine>> Engine::create(EngineOptions options) {
  const native::EngineOptions native_options{
      .instances_max = options.instances_max,
      .warm_slots_max = options.warm_slots_max,
      .memory_bytes_max = options.memory_bytes_max,
      .table_elements_max = options.table_elements_max,
      .wasm_stack_bytes = options.wasm_stack_bytes,
      .host_stack_bytes = options.host_stack_bytes,
      .memory_keep_resident_bytes =
          std::min(options.memory_keep_resident_bytes, options.memory_bytes_max),
      .stack_keep_resident_bytes = options.stack_keep_resident_bytes,
      .parallel_compilation = options.parallel_compilation,
  };
  native::Engine* native = nullptr;
  SELVEDGE_TRY_VOID(take_native_error(native::selvedge_engine_new(&native_options, &native)));
  std::unique_ptr<Engine> engine(new Engine(native));
  warn_about_mappings(options.instances_max);
  if (!options.cache_folder.empty()) {
    SELVEDGE_TRY(engine->cache_,
                 ArtifactCache::open(std::move(options.cache_folder), options.cache_key,
                                     options.random, options.cache_bytes_max));
  }
  return engine;
}

Engine::Engine(native::Engine* native) noexcept
    : native_(native), ticker_(std::make_unique<EpochTicker>(*native)) {
  native::selvedge_engine_compatibility(native_, compatibility_.data());
}

Engine::~Engine() {
  ticker_.reset();
  native::selvedge_engine_free(native_);
}

PoolMetrics Engine::pool_metrics() const noexcept {
  const native::PoolMetrics metrics = native::selvedge_engine_pool_metrics(native_);
  return {.instances = metrics.instances,
          .memories = metrics.memories,
          .tables = metrics.tables,
          .stacks = metrics.stacks,
          .warm_memories = metrics.warm_memories,
          .warm_memory_bytes = metrics.warm_memory_bytes};
}

std::array<std::byte, 32> Engine::artifact_id(const ContentHash& hash) const noexcept {
  std::array<std::byte, 32> id;
  auto* hasher = native::selvedge_blake3_hasher_new();
  native::selvedge_blake3_hasher_update(hasher, to_native(base::ByteSpan(hash)));
  native::selvedge_blake3_hasher_update(hasher, {compatibility_.data(), compatibility_.size()});
  native::selvedge_blake3_hasher_update(hasher, to_native(kRewriteVersion));
  native::selvedge_blake3_hasher_finalize(hasher, reinterpret_cast<std::uint8_t*>(id.data()),
                                          id.size());
  native::selvedge_blake3_hasher_free(hasher);
  return id;
}

Result<std::shared_ptr<const Module>> Engine::load(base::ByteSpan wasm,
                                                   const CompileOptions& options) {
  if (wasm.size() > kModuleBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the module has {} bytes; at most {} are accepted",
                       wasm.size(), kModuleBytesMax);
  }
  if (!looks_like_wasm(wasm)) {
    return fail(ErrorKind::kInvalid,
                "not a WebAssembly module: at byte 0, the magic number \\0asm and version 1 are "
                "missing");
  }
  const ContentHash hash = options.content_hash.has_value() ? *options.content_hash : hash_of(wasm);
  return share(hash, [&] { return load_once(wasm, hash, options); });
}

std::shared_ptr<const Module> Engine::find(const ContentHash& hash) {
  auto found =
      share(hash, [&]() -> Result<std::shared_ptr<const Module>> { return load_cached(hash); });
  return found.has_value() ? *std::move(found) : nullptr;
}

Result<std::shared_ptr<const Module>> Engine::share(const ContentHash& hash,
                                                    const MakeModule& make) {
  {
    // One thread makes a module; the others that want it wait for that.
    std::unique_lock lock(mutex_);
    load_ended_.wait(lock, [&] { return !loading_.contains(hash); });
    if (const auto found = loaded_.find(hash); found != loaded_.end()) {
      if (auto module = found->second.lock()) {
        return module;
      }
    }
    std::erase_if(loaded_, [](const auto& item) { return item.second.expired(); });
    loading_.insert(hash);
  }
  auto module = make();
  {
    const std::lock_guard lock(mutex_);
    loading_.erase(hash);
    if (module.has_value() && *module != nullptr) {
      loaded_[hash] = *module;
    }
  }
  load_ended_.notify_all();
  return module;
}

std::shared_ptr<const Module> Engine::load_cached(const ContentHash& hash) const {
  if (cache_ == nullptr) {
    return nullptr;
  }
  const auto id = artifact_id(hash);
  auto file = cache_->find(id);
  if (!file) {
    return nullptr;
  }
  native::Module* native = nullptr;
  const auto mapped =
      take_native_error(native::selvedge_module_load_file(native_, file->release(), &native));
  if (!mapped) {
    log::warning("compiled module cannot be used, compiling again file={} error={}",
                 cache_->path_of(id).string(), mapped.error().message());
    cache_->remove(id);
    return nullptr;
  }
  return std::make_shared<const Module>(native, hash);
}

Result<std::shared_ptr<const Module>> Engine::load_once(base::ByteSpan wasm,
                                                        const ContentHash& hash,
                                                        const CompileOptions& options) {
  if (auto cached = load_cached(hash)) {
    return cached;
  }
  report(options, CompileProgress::Stage::kChecking, wasm);
  SELVEDGE_TRY(ModuleInfo info, inspect_module(wasm));
  SELVEDGE_TRY(const auto linked, prelink_module(wasm));
  const base::ByteSpan program = linked ? base::ByteSpan(*linked) : wasm;
  if (linked) {
    SELVEDGE_TRY(info, inspect_module(program, true));
  }
  if (options.functions != nullptr) {
    SELVEDGE_TRY_VOID(options.functions->check_imports(info));
  }
  report(options, CompileProgress::Stage::kRewriting, wasm);
  SELVEDGE_TRY(const auto rewritten,
               rewrite_module(program, {.shared_memory_bytes_max = kSharedMemoryBytesMax,
                                        .linked = linked.has_value()}));

  report(options, CompileProgress::Stage::kCompiling, wasm);
  NativeBuffer artifact;
  SELVEDGE_TRY_VOID(take_native_error(native::selvedge_module_precompile(
      native_, to_native(rewritten ? base::ByteSpan(*rewritten) : program), artifact.out())));
  if (cache_ != nullptr) {
    report(options, CompileProgress::Stage::kStoring, wasm);
    const auto stored = cache_->store(artifact_id(hash), artifact.bytes());
    if (!stored) {
      // The module works without; the next start pays for compiling again.
      log::warning("compiled module cannot be kept error={}", stored.error().message());
    } else if (auto cached = load_cached(hash)) {
      return cached;
    }
  }
  native::Module* native = nullptr;
  SELVEDGE_TRY_VOID(take_native_error(
      native::selvedge_module_load(native_, to_native(artifact.bytes()), &native)));
  return std::make_shared<const Module>(native, hash);
}

}  // namespace selvedge::engine
