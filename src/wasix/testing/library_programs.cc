#include "wasix/testing/library_programs.h"

#include <span>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/format.h"
#include "engine/engine.h"
#include "wasix/workload.h"

namespace selvedge::wasix::testing {

constexpr std::string_view kLoadingProgram = R"((module
  (import "wasix_32v1" "dlopen"
    (func $dlopen (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "dlsym" (func $dlsym (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (table 2 2 funcref)
  (global (export "__stack_pointer") (mut i32) (i32.const 60000))
  (data (i32.const 512) "/abcdrune")
  (func $append (export "append") (param i32)
    (i32.store (i32.const 256)
      (i32.add (i32.mul (i32.load (i32.const 256)) (i32.const 10)) (local.get 0))))
  (func $open (export "open") (param $letter i32) (result i32)
    (call $dlopen (local.get $letter) (i32.const 1) (i32.const 4) (i32.const 1024) (i32.const 100)
                  (i32.const 512) (i32.const 1) (i32.const 64)))
  (type $run (func (result i32)))
  (func (export "_start") (local $error i32)
    (if (local.tee $error (call $open (i32.const 513)))
      (then (call $exit (i32.add (i32.const 200) (local.get $error)))))
    (if (i32.eqz (call $dlsym (i32.load (i32.const 64)) (i32.const 517) (i32.const 3)
                              (i32.const 0) (i32.const 0) (i32.const 68)))
      (then (call $append (call_indirect (type $run) (i32.load (i32.const 68))))))
    (call $exit (i32.load (i32.const 256))))))";

std::string loading_program_of_threads() {
  constexpr std::string_view kOwn = R"((memory (export "memory") 1))";
  std::string program(kLoadingProgram);
  const std::string import = R"((import "env" "memory" (memory 1 64 shared)))";
  program.replace(program.find(kOwn), kOwn.size(), R"((export "memory" (memory 0)))");
  program.insert(program.find("(import"), import);
  return program;
}

std::string library(std::string_view sections, std::string_view body) {
  return fmt::format(R"((module
    (@dylink.0 (mem-info (memory 0 0) (table 0 0)) {})
    (import "env" "append" (func $append (param i32)))
    (import "env" "open" (func $open (param i32) (result i32)))
    (import "wasix_32v1" "thread_sleep" (func $sleep (param i64) (result i32)))
    {}))",
                     sections, body);
}

std::string appending_library(int digit, std::string_view sections) {
  return library(sections, fmt::format(R"((func (export "__wasm_call_ctors")
                                         (call $append (i32.const {}))))",
                                       digit));
}

std::string thread_local_library(std::size_t size, std::string_view more) {
  return fmt::format(R"((module
    (@dylink.0 (mem-info (memory {0} 0) (table 0 0)) (export-info "own" tls))
    (import "env" "memory" (memory 1 64 shared))
    (import "env" "__memory_base" (global $memory i32))
    (global $base (mut i32) (i32.const 0))
    (global (export "own") i32 (i32.const 0))
    (func $start
      (global.set $base (global.get $memory))
      (memory.init 0 (global.get $memory) (i32.const 0) (i32.const {0})))
    (start $start)
    {1}
    (data "{2}")))",
                     size, more, std::string(size, 'A'));
}

LibraryWorld::LibraryWorld()
    : files_(*MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr})) {}

void LibraryWorld::put(std::string_view name, std::string_view wat) {
  const auto wasm = engine::wat_to_wasm(wat);
  SELVEDGE_ASSERT(wasm.has_value());
  const auto root = files_->open_root();
  for (std::size_t slash = name.find('/'); slash != name.npos; slash = name.find('/', slash + 1)) {
    static_cast<void>(root->make_directory(name.substr(0, slash)));  // it may exist
  }
  auto opened = root->open(name, {.oflags = Oflags::kCreat | Oflags::kTrunc, .write = true});
  SELVEDGE_ASSERT(opened.has_value());
  const base::ByteSpan bytes(*wasm);
  SELVEDGE_ASSERT(
      std::get<std::shared_ptr<File>>(*opened)->write(std::span(&bytes, 1)).has_value());
}

ExitStatus LibraryWorld::run(std::string_view wat) {
  ProcessOptions options;
  options.preopens.push_back({.guest_path = "/", .directory = files_->open_root()});
  options.workload =
      std::make_shared<Workload>(machine_.reactor(), WorkloadOptions{.loader = &loader_});
  options.limits.instance.memory_bytes_max = 1 << 20;
  auto linked = machine_.link_wat(wat);
  if (!linked) {
    return {.kind = ExitStatus::Kind::kFailed, .message = linked.error().message()};
  }
  return machine_.run(*linked, std::move(options));
}

}  // namespace selvedge::wasix::testing
