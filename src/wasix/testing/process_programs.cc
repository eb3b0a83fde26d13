#include "wasix/testing/process_programs.h"

#include "base/format.h"

namespace selvedge::wasix::testing {

namespace {

constexpr std::string_view kImports = R"(
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename"
    (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "proc_exit2" (func $exit2 (param i32)))
  (import "wasix_32v1" "proc_fork_env" (func $fork_env (param i32) (result i32)))
  (import "wasix_32v1" "callback_signal" (func $callback (param i32 i32)))
  (import "wasix_32v1" "chdir" (func $chdir (param i32 i32) (result i32)))
  (import "wasix_32v1" "getcwd" (func $getcwd (param i32 i32) (result i32)))
  (import "wasix_32v1" "fd_pipe" (func $pipe (param i32 i32) (result i32)))
  (import "wasix_32v1" "proc_id" (func $id (param i32) (result i32)))
  (import "wasix_32v1" "proc_parent" (func $parent (param i32 i32) (result i32)))
  (import "wasix_32v1" "proc_signal" (func $signal (param i32 i32) (result i32)))
  (import "wasix_32v1" "proc_join" (func $join (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get"
    (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasix_32v1" "proc_exec" (func $exec1 (param i32 i32 i32 i32)))
  (import "wasix_32v1" "proc_exec2" (func $exec2 (param i32 i32 i32 i32 i32 i32)))
  (import "wasix_32v1" "proc_exec4"
    (func $exec4 (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "proc_spawn"
    (func $spawn1 (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "proc_spawn3"
    (func $spawn3 (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "proc_exec3"
    (func $exec (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "proc_spawn2"
    (func $spawn (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
)";

constexpr std::string_view kStart = R"(
  (func $start (param $operations i32) (result i32)
    (call $spawn (i32.const 512) (i32.load (i32.const 508)) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 1024) (local.get $operations)
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64)))
  ;; Waits for the child at 64; its status is then at 80: tag, code at 82, signal at 84.
  (func $wait (result i32)
    (i32.store (i32.const 72) (i32.const 1))
    (i32.store (i32.const 76) (i32.load (i32.const 64)))
    (call $join (i32.const 72) (i32.const 0) (i32.const 80)))
)";

}  // namespace

std::string process_program(std::string_view name, std::string_view body) {
  return fmt::format("(module {} (data (i32.const 508) \"\\{:02x}\\00\\00\\00{}\") {} {})",
                     kImports, name.size(), name, kStart, body);
}

io::Task<std::shared_ptr<const engine::LinkedModule>> TextLoader::load(
    std::vector<std::byte> wasm) {
  co_return machine_.link_wasm(wasm);
}

io::Task<std::shared_ptr<const engine::Library>> TextLoader::load_library(
    std::vector<std::byte> wasm) {
  co_return machine_.link_library(wasm);
}

io::Task<LoadedCommand> TextLoader::load_command(std::string name) {
  const auto found = commands.find(name);
  if (found == commands.end()) {
    co_return fail(ErrorKind::kNotFound, "no such command");
  }
  LoadedCommand command = manifest;
  SELVEDGE_CO_TRY(command.module, machine_.link_wat(found->second));
  co_return command;
}

}  // namespace selvedge::wasix::testing
