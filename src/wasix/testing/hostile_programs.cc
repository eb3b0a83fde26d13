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
  SELVEDGE_ASSERT(program.has_value());
  auto created = MemoryFileSystem::create(
      {.clock = clock, .bytes_max = 1 << 20, .entries_max = 64, .lower = nullptr});
  SELVEDGE_ASSERT(created.has_value());
  std::shared_ptr<Directory> root = (*created)->open_root();
  SELVEDGE_ASSERT(root->make_directory("dir").has_value());
  SELVEDGE_ASSERT(root->symlink("dir", "link").has_value());
  SELVEDGE_ASSERT(root->symlink("loop", "loop").has_value());
  const std::array<std::pair<std::string_view, base::ByteSpan>, 5> files{
      {{"a", {}},
       {"dir/file", base::as_bytes("content")},
       {"program", *program},
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
