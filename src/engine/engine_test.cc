// Goal: bad modules, bad options and unsatisfied imports are refused in one sentence that names the
// trouble; good ones are described as they are.

#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "engine/testing/guests.h"

namespace selvedge::engine {
namespace {

using ::testing::AllOf;
using testing::Guest;
using ::testing::HasSubstr;

std::int32_t one(HostContext&, std::int32_t) { return 1; }

class EngineTest : public ::testing::Test {
 protected:
  std::string link_error(std::string_view wat) {
    const HostFunctions& functions = functions_;
    const auto linked = functions.link(testing::compile(*engine_, wat));
    return linked ? "linked" : linked.error().message();
  }
  std::string load_error(base::ByteSpan wasm) {
    const auto module = engine_->load(wasm);
    return module ? "loaded" : module.error().message();
  }
  std::string load_error(std::string_view wat) {
    const auto wasm = wat_to_wasm(wat);
    return wasm ? load_error(*wasm) : wasm.error().message();
  }

  std::unique_ptr<Engine> engine_ = testing::make_engine();
  HostFunctions functions_{*engine_};
};

TEST_F(EngineTest, Options_OutOfRange_AreInvalid) {
  for (auto change : {+[](EngineOptions& options) { options.instances_max = 0; },
                      +[](EngineOptions& options) { options.instances_max = kInstancesMax + 1; },
                      +[](EngineOptions& options) { options.wasm_stack_bytes = 100; },
                      +[](EngineOptions& options) { options.memory_bytes_max = 1ull << 40; }}) {
    EngineOptions options = testing::small_pool();
    change(options);
    const auto engine = Engine::create(std::move(options));
    ASSERT_FALSE(engine.has_value());
    EXPECT_EQ(engine.error().kind(), ErrorKind::kInvalid) << engine.error().message();
  }
}

TEST_F(EngineTest, CacheWithoutKeyOrRandom_IsInvalid) {
  EngineOptions options = testing::small_pool();
  options.cache_folder = "/nonexistent/selvedge";
  EXPECT_FALSE(Engine::create(std::move(options)).has_value());
}

TEST_F(EngineTest, NotWasm_IsRefused) {
  EXPECT_THAT(load_error(base::ByteSpan()), HasSubstr("not a WebAssembly module"));
  EXPECT_THAT(load_error(base::as_bytes("#!/bin/sh")), HasSubstr("at byte 0"));
}

TEST_F(EngineTest, EveryTruncation_IsRefused) {
  const auto wasm = wat_to_wasm(R"((module (memory 1) (func (export "f") (result i32)
      (i32.const 7)) (data (i32.const 0) "abc")))");
  ASSERT_TRUE(wasm.has_value());
  for (std::size_t size = 0; size < wasm->size(); ++size) {
    const auto module = engine_->load(std::span(*wasm).first(size));
    // A cut between two sections can leave a smaller valid module.
    if (!module) {
      EXPECT_FALSE(module.error().message().empty());
    }
  }
  EXPECT_TRUE(engine_->load(*wasm).has_value());
}

TEST_F(EngineTest, Memory64_IsRefusedWithTheOffset) {
  EXPECT_THAT(load_error("(module (memory i64 1))"), AllOf(HasSubstr("memory64"), HasSubstr("0x")));
}

TEST_F(EngineTest, Wat_WithAnError_NamesTheLine) {
  const auto wasm = wat_to_wasm("(module\n  (func $f (i32.bogus)))");
  ASSERT_FALSE(wasm.has_value());
  EXPECT_THAT(wasm.error().message(), HasSubstr("line 2, column 13: "));
}

TEST_F(EngineTest, MissingImports_AreNamedBeforeInstantiation) {
  functions_.define<&one>("host", "one");
  EXPECT_EQ(link_error(R"((module (import "host" "one" (func (param i32) (result i32)))))"),
            "linked");
  EXPECT_EQ(link_error(R"((module (import "host" "two" (func (param i64)))))"),
            "the module imports the function \"host\".\"two\" (i64) -> nothing, which is not "
            "provided");
  EXPECT_EQ(link_error(R"((module (import "host" "one" (func (param i64) (result i32)))))"),
            "the module imports the function \"host\".\"one\" as (i64) -> i32, but it is (i32) -> "
            "i32");
  EXPECT_EQ(link_error(R"((module (import "env" "memory" (memory 1))))"),
            "the module imports the memory \"env\".\"memory\", which is not provided");
}

TEST_F(EngineTest, Module_IsLinkedOnceForAllWhoHaveIt) {
  functions_.define<&one>("host", "one");
  const auto module = testing::compile(
      *engine_, R"((module (import "host" "one" (func (param i32) (result i32)))))");
  auto first = functions_.link(module);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(functions_.link(module).value(), *first);
  const std::weak_ptr<const LinkedModule> gone = *first;
  first->reset();
  EXPECT_TRUE(gone.expired());
  EXPECT_EQ(&functions_.link(module).value()->module(), module.get());
  HostFunctions others(*engine_);
  EXPECT_FALSE(others.link(module).has_value());
}

TEST_F(EngineTest, MissingImports_AreNamedBeforeCompiling) {
  functions_.define<&one>("host", "one");
  const auto error = [this](std::string_view wat) {
    const auto wasm = wat_to_wasm(wat);
    const auto module = engine_->load(*wasm, {.functions = &functions_});
    return module ? "loaded" : module.error().message();
  };
  EXPECT_EQ(error(R"((module (import "host" "one" (func (param i32) (result i32)))))"), "loaded");
  EXPECT_EQ(error(R"((module (import "host" "two" (func (param i64)))))"),
            "the module imports the function \"host\".\"two\" (i64) -> nothing, which is not "
            "provided, at byte 18 (0x12)");
  EXPECT_EQ(error(R"((module (import "host" "one" (func (param i64) (result i32)))))"),
            "the module imports the function \"host\".\"one\" as (i64) -> i32, but it is (i32) -> "
            "i32, at byte 19 (0x13)");
  EXPECT_THAT(error(R"((module (import "env" "memory" (memory 1))))"),
              HasSubstr("the memory \"env\".\"memory\", which is not provided, at byte"));
}

TEST_F(EngineTest, Module_ListsWhatItImportsAndExports) {
  const auto module = testing::compile(*engine_, R"((module
      (import "host" "one" (func (param i32 i64) (result f64)))
      (memory (export "memory") 1)
      (func (export "f") (param f32))))");
  const auto imports = module->imports();
  ASSERT_EQ(imports.size(), 1u);
  EXPECT_EQ(imports[0].module, "host");
  EXPECT_EQ(imports[0].name, "one");
  EXPECT_EQ(imports[0].kind, ExternKind::kFunction);
  EXPECT_EQ(imports[0].signature, "iI:F");
  EXPECT_TRUE(module->has_export("memory", ExternKind::kMemory));
  EXPECT_TRUE(module->has_export("f", ExternKind::kFunction));
  EXPECT_FALSE(module->has_export("f", ExternKind::kMemory));
  EXPECT_FALSE(module->has_export("g", ExternKind::kFunction));
  EXPECT_EQ(module->exports().size(), 2u);
}

TEST_F(EngineTest, OneModuleByManyThreads_IsCompiledOnce) {
  const auto wasm = wat_to_wasm(R"((module (func (export "f"))))");
  std::atomic<int> compilations = 0;
  std::array<const Module*, 4> modules{};
  std::vector<std::shared_ptr<const Module>> kept(modules.size());
  std::vector<std::thread> threads;
  for (std::size_t index = 0; index < modules.size(); ++index) {
    threads.emplace_back([&, index] {
      auto module = engine_->load(*wasm, {.progress = [&](const CompileProgress& progress) {
        compilations += progress.stage == CompileProgress::Stage::kCompiling ? 1 : 0;
      }});
      kept[index] = *std::move(module);
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const auto& module : kept) {
    EXPECT_EQ(module, kept[0]);
  }
  EXPECT_EQ(compilations, 1);
}

TEST_F(EngineTest, ModuleDroppedWhileAnInstanceRuns_StaysUsable) {
  const HostFunctions functions(*engine_);
  Guest guest(functions, testing::compile(*engine_, R"((module (func (export "f") (result i32)
      (i32.const 3))))"));
  EXPECT_EQ(guest.run("f").result, 3u);
}

}  // namespace
}  // namespace selvedge::engine
