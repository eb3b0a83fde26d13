#!/usr/bin/env python3
"""The tidy test's own tests: a clean little tree passes; each planted violation is found, by file and message."""

import pathlib
import tempfile
import unittest

import tidy

_LOW = """#pragma once

namespace selvedge {
int low();
}  // namespace selvedge
"""
_CLEAN = {
    "README.md": "# Title\n\nSee [low](src/base/README.md).\n",
    "src/base/CMakeLists.txt": "selvedge_library(base LAYER 0)\n",
    "src/base/README.md": "# base\n",
    "src/base/low.h": _LOW,
    "src/base/low.cc": '#include "base/low.h"\n\nnamespace selvedge {\nint low() { return 1; }\n}\n',
    "src/crypto/CMakeLists.txt": "selvedge_library(crypto LAYER 1 DEPS base LIBS OpenSSL::Crypto)\n",
    "src/crypto/README.md": "# crypto\n",
    "src/crypto/hash.h": '#pragma once\n\n#include "base/low.h"\n\nnamespace selvedge::crypto {\nint hash();\n}\n',
    "src/crypto/hash.cc": "#include <openssl/evp.h>\n\n"
                          '#include "crypto/hash.h"\n\nnamespace selvedge::crypto {\n'
                          "int hash() { return 1; }\n}\n",
    "src/io/CMakeLists.txt": "selvedge_library(io\n  LAYER 2  # a comment\n  DEPS base crypto)\n",
    "src/io/README.md": "# io\n",
    "src/io/internal/ring.h": "#pragma once\n\nnamespace selvedge::io::internal {\nint ring();\n}\n",
    "src/io/loop.h": '#pragma once\n\n#include "crypto/hash.h"\n\nnamespace selvedge::io {\nint loop();\n}\n',
    "src/io/loop.cc": '#include "io/loop.h"\n\n#include "io/internal/ring.h"\n\nnamespace selvedge::io {\n'
                      "// new, delete, throw: words in comments are free.\n"
                      'int loop() { return sizeof("new delete throw std::regex // volatile"); }\n}\n',
    "src/engine/CMakeLists.txt": "selvedge_library(engine LAYER 2 DEPS base)\n",
    "src/engine/README.md": "# engine\n",
    "src/engine/run.h": "#pragma once\n\nnamespace selvedge::engine {\nint run();\n}\n",
    "src/engine/run.cc": '#include "engine/run.h"\n\nnamespace selvedge::engine {\n'
                         "int run() { return 1; }\n}\n",
}  # fmt: skip


def _source(body, module="io"):
    return f'#include "{module}/loop.h"\n\nnamespace selvedge::{module} {{\n{body}\n}}\n'


class TidyTest(unittest.TestCase):
    def problems(self, planted):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in {**_CLEAN, **planted}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    path.write_bytes(content)
                else:
                    path.write_text(content, encoding="utf-8")
            return tidy.run(root).problems

    def expect(self, planted, name, message):
        found = self.problems(planted)
        matching = [problem for problem in found if problem.startswith(name) and message in problem]
        self.assertTrue(matching, f"expected {name}: ...{message}..., got {found}")

    def expect_clean(self, planted):
        self.assertEqual(self.problems(planted), [])

    def in_function(self, statement):
        return {"src/io/loop_more.cc": _source(f"int more() {{\n  {statement}\n  return 0;\n}}")}

    def test_clean_tree_passes(self):
        self.expect_clean({})

    def test_layers(self):
        upward = '#include "base/low.h"\n#include "io/loop.h"\nnamespace selvedge {\n}\n'
        self.expect({"src/base/low.cc": upward}, "src/base/low.cc:2", "only strictly lower layers")
        peer = {"src/io/loop_more.cc": '#include "engine/run.h"\n' + _source("")}
        self.expect(peer, "src/io/loop_more.cc:1", "only strictly lower layers")
        undeclared = {"src/engine/run.cc": '#include "crypto/hash.h"\n' + _CLEAN["src/engine/run.cc"]}
        self.expect(undeclared, "src/engine/run.cc:1", "not among the DEPS")
        by_file = {"src/io/loop_more.cc": '#include "loop.h"\n' + _source("")}
        self.expect(by_file, "src/io/loop_more.cc:1", "include by module path")
        layer = {"src/engine/CMakeLists.txt": "selvedge_library(engine LAYER 3 DEPS base)\n"}
        self.expect(layer, "src/engine/CMakeLists.txt", "its layer is 2")
        name = {"src/engine/CMakeLists.txt": "selvedge_library(motor LAYER 2)\n"}
        self.expect(name, "src/engine/CMakeLists.txt", "folder = module")

    def test_internal_and_fakes_stay_inside(self):
        wasix = {
            "src/wasix/CMakeLists.txt": "selvedge_library(wasix LAYER 4 DEPS base io)\n",
            "src/wasix/README.md": "# wasix\n",
            "src/wasix/host.h": '#pragma once\n\n#include "io/internal/ring.h"\n'
                                "namespace selvedge::wasix {\nint host();\n}\n",
            "src/wasix/host.cc": '#include "wasix/host.h"\n#include "io/testing/fake.h"\n'
                                 "namespace selvedge::wasix {\nint host() { return 1; }\n}\n",
        }  # fmt: skip
        self.expect(wasix, "src/wasix/host.h:3", "internal to io")
        self.expect(wasix, "src/wasix/host.cc:2", "for tests only")

    def test_owned_libraries(self):
        openssl = {"src/io/loop_more.cc": "#include <openssl/evp.h>\n" + _source("")}
        self.expect(openssl, "src/io/loop_more.cc:1", "not for io")
        native = {"src/io/loop_more.cc": "#include <native.h>\n" + _source("")}
        self.expect(native, "src/io/loop_more.cc:1", "not for io")
        call = self.in_function("selvedge_blake3_hash(nullptr);")
        self.expect(call, "src/io/loop_more.cc", "called only by src/crypto")

    def test_sizes(self):
        long_file = {"src/io/loop_more.cc": _source("int a;\n" * 900)}
        self.expect(long_file, "src/io/loop_more.cc:1", "at most 800")
        long_function = self.in_function("int a;\n" * 80)
        self.expect(long_function, "src/io/loop_more.cc:4", "at most 70")
        member = "struct A {\n  A() : a_{1}, b_(2) {\n" + "    f();\n" * 80 + "  }\n};"
        self.expect({"src/io/loop_more.cc": _source(member)}, "src/io/loop_more.cc:5", "at most 70")
        type_only = "class [[nodiscard]] A final : public B<int> {\n" + "  int a;\n" * 80 + "};"
        self.expect_clean({"src/io/loop_more.cc": _source(type_only)})
        rust = {"native/src/lib.rs": "fn f<'a>(x: &'a str) {\n" + "    g('}');\n" * 80 + "}\n"}
        self.expect(rust, "native/src/lib.rs:1", "at most 70")
        self.expect(self.in_function("int " + "a" * 100 + ";"), "src/io/loop_more.cc:5", "at most 100")

    def test_banned_names(self):
        outside_io = {
            "std::thread worker;": "a shard",
            "worker.detach();": "TaskScope",
            "usleep(5);": "a timer",
            "std::this_thread::sleep_for(x);": "a timer",
            "int x = rand();": "base/random.h",
            "std::mt19937 generator;": "base/random.h",
            "auto t = time(nullptr);": "base/clock.h",
            "auto t = std::chrono::steady_clock::now();": "base/clock.h",
            "gettimeofday(&t, nullptr);": "base/clock.h",
            "strcpy(a, b);": "std::string",
            "sprintf(a, b);": "std::string",
            "int n = std::stoi(text);": "from_chars",
            'printf("x");': "base/log.h",
            'return getenv("X");': "composition root",
            "std::abort();": "SELVEDGE_ASSERT",
            "auto* x = new int(1);": "make_unique",
            "delete x;": "unique_ptr",
            "free(x);": "std::vector",
            "auto* y = reinterpret_cast<char*>(x);": "base/bytes.h",
            "const_cast<int&>(x) = 1;": "an interface",
            "volatile int x = 0;": "std::atomic",
            "std::regex r;": "a hand-written parser",
            "throw 1;": "Result",
            "auto f = [=] { return 1; };": "a list of captures",
            "using namespace std;": "qualified",
            "std::cout << 1;": "base/log.h",
        }
        for statement, instead in outside_io.items():
            with self.subTest(statement):
                planted = {"src/engine/run.cc": '#include "engine/run.h"\nnamespace selvedge::engine {\n'
                                                f"int run() {{\n  {statement}\n}}\n}}\n"}  # fmt: skip
                self.expect(planted, "src/engine/run.cc:4", instead)

    def test_what_only_looks_banned_passes(self):
        for statement in (
            "reactor.sleep(duration);", "auto now = request->time();", "operand = operator new(8);",
            "A(const A&) = delete;", "int renewed = 1;", "co_await io::sleep(x);", "auto n = 1'000'000;",
            "const Clock& clock();", "auto f = [x = 1] { return x; };", "a[i] = 1;",
            "std::thread::hardware_concurrency();", "using namespace std::chrono_literals;",
            "return std::unique_ptr<A>(new A(1));",
        ):  # fmt: skip
            with self.subTest(statement):
                self.expect_clean(self.in_function(statement))

    def test_coroutine_lambdas(self):
        bad = self.in_function("auto f = [x](int y) -> Task<> { co_return; };")
        self.expect(bad, "src/io/loop_more.cc:5", "this auto")
        for good in (
            "auto f = [x](this auto, int y) -> Task<> { co_return; };",
            "auto f = [](int y) -> Task<> { co_return; };",
            "auto f = [x] { return [](int y) -> Task<> { co_return; }; };",
        ):
            with self.subTest(good):
                self.expect_clean(self.in_function(good))

    def test_headers(self):
        no_pragma = {"src/io/loop.h": "namespace selvedge::io {\nint loop();\n}\n"}
        self.expect(no_pragma, "src/io/loop.h", "#pragma once")
        namespace = {"src/io/loop.h": "#pragma once\nnamespace selvedge::net {\nint loop();\n}\n"}
        self.expect(namespace, "src/io/loop.h", "folder = module = namespace")
        foreign = {"src/io/loop_more.cc": _source("") + "namespace selvedge::engine {\nclass A;\n}\n"}
        self.expect(foreign, "src/io/loop_more.cc", "opens the namespace of engine")

    def test_dead_files(self):
        header = {"src/io/unused.h": "#pragma once\nnamespace selvedge::io {\n}\n"}
        self.expect(header, "src/io/unused.h", "a dead header")
        self.expect({"src/io/other.cc": _source("")}, "src/io/other.cc", "a dead file")

    def test_names(self):
        self.expect({"src/io/MoreLoop.cc": _source("")}, "src/io/MoreLoop.cc", "snake_case")
        self.expect({"src/io/loop_more.cpp": _source("")}, "src/io/loop_more.cpp", ".h and .cc")
        missing = {"src/store/CMakeLists.txt": "selvedge_library(store LAYER 2)\n"}
        self.expect(missing, "src/store/README.md", "missing")

    def test_text(self):
        self.expect({"a.txt": "a\tb\n"}, "a.txt:1", "a tab")
        self.expect({"a.txt": "a \n"}, "a.txt:1", "blanks")
        self.expect({"a.txt": "a\r\n"}, "a.txt:1", "control")
        self.expect({"a.txt": "a\u202eb\n"}, "a.txt:1", "invisible")
        self.expect({"a.txt": "a"}, "a.txt:1", "no newline")
        self.expect({"a.txt": "a\n\n"}, "a.txt", "blank lines")
        self.expect({"a.txt": b"\xff\xfe\x00"}, "a.txt", "not UTF-8")
        self.expect({"a.txt": "x\n" * 200_000}, "a.txt", "bytes")
        self.expect({"a.txt": "TO" "DO later\n"}, "a.txt:1", "a leftover")
        self.expect({"a.txt": "see /wo" "rk/main/x\n"}, "a.txt:1", "outside this repository")

    def test_documents(self):
        self.expect({"a.md": "no title\n"}, "a.md:1", "its title")
        self.expect({"a.md": "# A\n# B\n"}, "a.md:1", "2 titles")
        self.expect({"a.md": "# A\n[x](gone.md)\n"}, "a.md:2", "no such file")
        self.expect({"a.md": "# A\n```\n# fine\n"}, "a.md", "unclosed")
        self.expect_clean({"a.md": "# A\n```\n# fine\n```\n[x](https://example.com/)\n"})

    def test_limits_exist(self):
        row = "# Limits\n| `Loop::kTurnsMax` | 5 | `src/io/loop.h` |\n"
        self.expect({"docs/limits.md": row}, "docs/limits.md:2", "has no kTurnsMax")
        header = _CLEAN["src/io/loop.h"].replace("int loop();", "int loop();\nconstexpr int kTurnsMax = 5;")
        self.expect_clean({"docs/limits.md": row, "src/io/loop.h": header})

    def test_exceptions_need_reasons_and_use(self):
        allow = {"tests/tidy/allowlist.toml": '[throw]\n"src/io/loop_more.cc" = "a good reason"\n'}
        self.expect_clean({**allow, **self.in_function("throw 1;")})
        self.expect(allow, "tests/tidy/allowlist.toml", "not needed any more")
        short = {"tests/tidy/allowlist.toml": '[throw]\n"src/io/loop_more.cc" = "why"\n'}
        self.expect({**short, **self.in_function("throw 1;")}, "tests/tidy/allowlist.toml", "no reason")
        self.expect(self.in_function("f();  // NOLINT"), "src/io/loop_more.cc:5", "NOLINT names")
        self.expect(self.in_function("f();  // NOLINT(bugprone-x)"), "src/io/loop_more.cc:5", "reason")
        self.expect_clean(self.in_function("f();  // NOLINT(bugprone-x): the API wants it"))


if __name__ == "__main__":
    unittest.main()
