#include "wasix/testing/hostile_programs.h"

#include <array>
#include <span>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/log.h"
#include "engine/engine.h"
#include "wasix/fs_memory.h"

namespace selvedge::wasix::testing {

namespace {

constexpr std::string_view kExit = R"((module (func (export "_start"))))";
constexpr std::string_view kSpin = R"((module (func (export "_start") (loop (br 0)))))";
constexpr std::string_view kRead = R"((module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\40\00\00\00")
  (func (export "_start") (drop
    (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))))))";
// More memory than a process may have; and nothing to start.
constexpr std::string_view kHuge = R"((module
  (import "env" "memory" (memory 1000 1000 shared)) (func (export "_start"))))";
// A library with everything that one can have, another one that needs it, and one that cannot be
// loaded.
constexpr std::string_view kLibrary = R"((module
  (@dylink.0 (mem-info (memory 24 3) (table 1 0)) (export-info "own" tls))
  (import "env" "memory" (memory 0 65536 shared))
  (import "env" "__indirect_function_table" (table 0 funcref))
  (import "env" "__memory_base" (global $memory i32))
  (import "env" "__table_base" (global $table i32))
  (import "env" "_start" (func $main))
  (import "GOT.mem" "data" (global $data (mut i32)))
  (import "GOT.func" "twice" (global $twice (mut i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "GOT.mem" "own" (global $own (mut i32)))
  (global (export "data") i32 (i32.const 8))
  (global (export "own") i32 (i32.const 4))
  (global $count (mut i32) (i32.const 0))
  (global $base (mut i32) (i32.const 0))
  (elem (global.get $table) $twice)
  (func $twice (export "twice") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (drop (call $yield))
    (i32.store (global.get $data) (global.get $count))
    (i32.store (global.get $own) (i32.add (i32.load (global.get $own)) (i32.const 1)))
    (if (i32.ne (global.get $own) (i32.add (global.get $base) (i32.const 4))) (then unreachable))
    (i32.mul (local.get 0) (i32.const 2)))
  (func (export "__wasm_apply_data_relocs") (i32.store (global.get $data) (global.get $twice)))
  (func (export "__wasm_call_ctors") (drop (call $twice (i32.const 1))))
  (func $initialize (param i32)
    (global.set $base (local.get 0))
    (memory.init 0 (local.get 0) (i32.const 0) (i32.const 8))
    (i32.store (local.get 0) (global.get $data)))
  (func $start
    (global.set $base (i32.add (global.get $memory) (i32.const 16)))
    (memory.init 0 (global.get $base) (i32.const 0) (i32.const 8)))
  (start $start)
  (data "12345678")))";
constexpr std::string_view kOther = R"((module
  (@dylink.0 (mem-info (memory 0 0) (table 0 0)) (needed "library") (runtime-path "$ORIGIN"))
  (import "env" "twice" (func $twice (param i32) (result i32)))
  (import "GOT.mem" "own" (global $own (mut i32)))
  (func $start (drop (call $twice (i32.const 2))))
  (func (export "__wasm_call_ctors") unreachable)
  (start $start)))";
constexpr std::string_view kUnresolved = R"((module
  (@dylink.0 (mem-info (memory 1 0) (table 0 0)))
  (import "env" "nothing" (func))))";
// A program that needs the library, with threads that use it.
constexpr std::string_view kNeeds = R"((module
  (@dylink.0 (mem-info (memory 0 0) (table 0 0)) (needed "library") (runtime-path "$ORIGIN")
    (import-info "env" "absent" binding-weak))
  (import "env" "memory" (memory 1 6 shared))
  (import "env" "twice" (func $twice (param i32) (result i32)))
  (import "env" "absent" (func $absent))
  (import "GOT.mem" "own" (global $own (mut i32)))
  (import "GOT.func" "twice" (global $address (mut i32)))
  (import "GOT.func" "absent" (global $weak (mut i32)))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (table 1 funcref)
  (type $twice (func (param i32) (result i32)))
  (func $run
    (drop (call $twice (i32.load (global.get $own))))
    (if (global.get $weak) (then (call $absent)))
    (drop (call_indirect (type $twice) (i32.const 1) (global.get $address))))
  (func (export "wasi_thread_start") (param i32 i32) (call $run))
  (func (export "_start")
    (call $run)
    (drop (call $spawn (i32.const 0)))
    (drop (call $spawn (i32.const 0)))
    (call $run))))";
constexpr std::string_view kBroken = R"((module (func (export "other"))))";

}  // namespace

void HostileLoader::add(Machine& machine, std::string name, std::string_view wat) {
  auto linked = machine.link_wat(wat);
  if (!linked) {
    log::error("the program {}: {}", name, linked.error().message());
  }
  SELVEDGE_ASSERT(linked.has_value());
  commands_[std::move(name)] = *std::move(linked);
}

void HostileLoader::add_programs(Machine& machine) {
  add(machine, "exit", kExit);
  add(machine, "spin", kSpin);
  add(machine, "read", kRead);
  add(machine, "huge", kHuge);
  add(machine, "broken", kBroken);
  add(machine, "needs", kNeeds);
}

std::shared_ptr<const engine::LinkedModule> HostileLoader::command(std::string_view name) const {
  const auto found = commands_.find(name);
  return found != commands_.end() ? found->second : nullptr;
}

io::Task<std::shared_ptr<const engine::LinkedModule>> HostileLoader::load(
    std::vector<std::byte> wasm) {
  co_await reactor_.yield();
  if (wasm != *engine::wat_to_wasm(kExit)) {
    co_return fail(ErrorKind::kInvalid, "it is not the module");
  }
  co_return command("exit");
}

io::Task<std::shared_ptr<const engine::Library>> HostileLoader::load_library(
    std::vector<std::byte> wasm) {
  co_await reactor_.yield();
  co_return machine_.link_library(wasm);
}

io::Task<LoadedCommand> HostileLoader::load_command(std::string name) {
  co_await reactor_.yield();
  auto found = command(name);
  if (found == nullptr) {
    co_return fail(ErrorKind::kNotFound, "no such command");
  }
  co_return LoadedCommand{.module = std::move(found), .arguments = {"-c"}, .environment = {"K=M"}};
}

std::shared_ptr<Directory> hostile_tree(const base::Clock& clock) {
  const auto program = engine::wat_to_wasm(kExit);
  const auto library = engine::wat_to_wasm(kLibrary);
  const auto other = engine::wat_to_wasm(kOther);
  const auto unresolved = engine::wat_to_wasm(kUnresolved);
  SELVEDGE_ASSERT(program && library && other && unresolved);
  auto created = MemoryFileSystem::create(
      {.clock = clock, .bytes_max = 1 << 20, .entries_max = 64, .lower = nullptr});
  SELVEDGE_ASSERT(created.has_value());
  std::shared_ptr<Directory> root = (*created)->open_root();
  SELVEDGE_ASSERT(root->make_directory("dir").has_value());
  SELVEDGE_ASSERT(root->symlink("dir", "link").has_value());
  SELVEDGE_ASSERT(root->symlink("loop", "loop").has_value());
  const std::array<std::pair<std::string_view, base::ByteSpan>, 8> files{
      {{"a", {}},
       {"dir/file", base::as_bytes("content")},
       {"program", *program},
       {"library", *library},
       {"other", *other},
       {"dir/unresolved", *unresolved},
       {"script", base::as_bytes("#!/bin/read -x\n")},
       {"endless", base::as_bytes("#!/endless")}}};
  for (const auto& [name, content] : files) {
    auto opened = root->open(name, {.oflags = Oflags::kCreat, .write = true});
    SELVEDGE_ASSERT(opened.has_value());
    auto& file = *std::get<std::shared_ptr<File>>(*opened);
    SELVEDGE_ASSERT(file.write(std::span(&content, 1)).has_value());
  }
  return root;
}

}  // namespace selvedge::wasix::testing
