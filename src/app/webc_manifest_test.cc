#include "app/webc_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/format.h"
#include "crypto/sha256.h"
#include "wire/webc_writer.h"

namespace selvedge::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<std::byte> cbor(std::string_view json) {
  const auto bytes = nlohmann::ordered_json::to_cbor(nlohmann::ordered_json::parse(json));
  const auto span = std::as_bytes(std::span(bytes));
  return {span.begin(), span.end()};
}

std::string json(const std::vector<std::byte>& bytes) {
  const std::string_view text = base::as_text(bytes);
  return nlohmann::ordered_json::from_cbor(text.begin(), text.end()).dump();
}

Result<WebcManifest> parse(std::string_view text) { return parse_webc_manifest(cbor(text)); }

std::string fault(std::string_view text) {
  const auto manifest = parse(text);
  return manifest ? "none" : manifest.error().message();
}

std::string fault_of_bytes(std::string_view bytes) {
  const auto manifest = parse_webc_manifest(base::as_bytes(bytes));
  return manifest ? "none" : manifest.error().message();
}

// What Wasmer's tools make of a wasmer.toml with all that they know.
constexpr std::string_view kFull = R"({
  "use": {"wasmer/python": "wasmer/python@^3.12"},
  "package": {
    "wapm": {"name": "me/site", "version": "1.2.3", "description": "A site.", "license": "MIT",
             "license-file": {"volume": "metadata", "path": "/LICENSE"},
             "readme": {"volume": "metadata", "path": "/README.md"},
             "repository": "https://example.com/site", "homepage": "https://example.com/",
             "private": true},
    "fs": [{"from": null, "volume_name": "/public", "mount_path": "/public"},
           {"from": "wasmer/python", "volume_name": "atom", "host_path": "/lib",
            "mount_path": "/lib"}]
  },
  "atoms": {"tool": {"kind": "https://webc.org/kind/wasm", "signature": "sha256:AAAA",
                     "annotations": {"wasm": {"features": ["simd", "threads"]}}}},
  "commands": {
    "run": {"runner": "https://webc.org/runner/wasi",
            "annotations": {
              "atom": {"name": "python", "dependency": "wasmer/python"},
              "wasi": {"atom": "wasmer/python:python", "env": ["A=1", "B=x=y"],
                       "main-args": ["-m", "site"], "cwd": "/public", "exec-name": "python3"}}},
    "serve": {"runner": "https://webc.org/runner/wcgi",
              "annotations": {"atom": {"name": "tool"}, "wasi": {"atom": "tool"},
                              "wcgi": {"dialect": "rfc-3875"}}}
  },
  "bindings": [{"name": "b", "kind": "wit@0.1.0",
                "annotations": {"wit": {"exports": "metadata:/x.wit", "module": "tool"}}}],
  "entrypoint": "serve"
})";

TEST(WebcManifest, EverythingKnown_IsRead) {
  const auto manifest = parse(kFull);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message();
  EXPECT_EQ(manifest->name, "me/site");
  EXPECT_EQ(manifest->version, "1.2.3");
  EXPECT_EQ(manifest->description, "A site.");
  EXPECT_EQ(manifest->license, "MIT");
  EXPECT_EQ(manifest->readme, (WebcFile{.volume = "metadata", .path = "/README.md"}));
  EXPECT_EQ(manifest->license_file, (WebcFile{.volume = "metadata", .path = "/LICENSE"}));
  EXPECT_TRUE(manifest->is_private);
  EXPECT_THAT(
      manifest->dependencies,
      ElementsAre(WebcDependency{.name = "wasmer/python", .specifier = "wasmer/python@^3.12"}));
  ASSERT_EQ(manifest->mounts.size(), 2);
  EXPECT_EQ(manifest->mounts[0],
            (WebcMount{.from = {}, .volume = "/public", .host_path = {}, .guest = "/public"}));
  EXPECT_EQ(
      manifest->mounts[1],
      (WebcMount{.from = "wasmer/python", .volume = "atom", .host_path = "/lib", .guest = "/lib"}));
  ASSERT_EQ(manifest->atoms.size(), 1);
  EXPECT_THAT(manifest->atoms[0].features, ElementsAre("simd", "threads"));
  ASSERT_EQ(manifest->commands.size(), 2);
  const WebcCommand& run = manifest->commands[0];
  EXPECT_EQ(run.kind, RunnerKind::kWasi);
  EXPECT_EQ(run.atom, "python");
  EXPECT_EQ(run.dependency, "wasmer/python");
  EXPECT_THAT(run.env, ElementsAre(Pair("A", "1"), Pair("B", "x=y")));
  EXPECT_THAT(run.main_args, ElementsAre("-m", "site"));
  EXPECT_EQ(run.cwd, "/public");
  EXPECT_EQ(run.exec_name, "python3");
  EXPECT_EQ(manifest->commands[1].kind, RunnerKind::kWcgi);
  EXPECT_EQ(manifest->commands[1].wcgi_dialect, "rfc-3875");
  EXPECT_EQ(manifest->entrypoint, "serve");
  EXPECT_THAT(manifest->warnings, IsEmpty());
}

TEST(WebcManifest, WhatWasRead_IsWrittenAsItWas) {
  const auto manifest = parse(kFull);
  ASSERT_TRUE(manifest.has_value());
  EXPECT_EQ(json(build_webc_manifest(*manifest)), nlohmann::ordered_json::parse(kFull).dump());
}

TEST(WebcManifest, AnEmptyOne_IsRead) {
  const auto manifest = parse("{}");
  ASSERT_TRUE(manifest.has_value());
  EXPECT_EQ(json(build_webc_manifest(*manifest)), "{}");
}

TEST(WebcManifest, UnknownKeys_AreKeptAndWarnedAbout) {
  constexpr std::string_view kText = R"({
    "package": {"wapm": {"name": "a/b", "mood": {"now": 3}}, "later": [1, 2.5, null, true],
                "fs": [{"from": null, "volume_name": "v", "mount_path": "/v", "mode": "ro"}]},
    "atoms": {"m": {"kind": "k", "signature": "s",
                    "annotations": {"wasm": {"features": ["x"], "y": 1}}}},
    "commands": {"c": {"runner": "https://webc.org/runner/other",
                       "annotations": {"other": {"deep": [{"x": -1}]}}}},
    "entrypoint": "c"})";
  const auto manifest = parse(kText);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message();
  EXPECT_EQ(manifest->unknown.size(), 5);
  EXPECT_THAT(
      manifest->warnings,
      ElementsAre(HasSubstr("package.wapm.mood"), HasSubstr("package.fs.0.mode"),
                  HasSubstr("package.later"), HasSubstr("atoms.m.annotations.wasm.y"),
                  HasSubstr("commands.c.annotations.other is not known and has no effect")));
  const auto again = parse_webc_manifest(build_webc_manifest(*manifest));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->unknown, manifest->unknown);
  EXPECT_EQ(json(build_webc_manifest(*again)), json(build_webc_manifest(*manifest)));
  EXPECT_THAT(json(build_webc_manifest(*manifest)), HasSubstr(R"("mood":{"now":3})"));
}

TEST(WebcManifest, ForeignRunners_KeepWhatTheySay) {
  constexpr std::string_view kText =
      R"({"commands":{"c":{"runner":"https://webc.org/runner/other","annotations":{}},)"
      R"("d":{"runner":"urn:x","annotations":{"wasi":{"atom":"","main-args":["a"]}}}}})";
  const auto manifest = parse(kText);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message();
  EXPECT_EQ(manifest->commands[0].kind, std::nullopt);
  EXPECT_THAT(manifest->commands[1].main_args, ElementsAre("a"));
  EXPECT_EQ(json(build_webc_manifest(*manifest)), kText);
}

TEST(WebcManifest, OldPackages_FindTheirAtom) {
  const auto atom_of_command = [](std::string_view annotations) {
    const auto manifest = parse(fmt::format(
        R"({{"atoms": {{"first": {{"kind": "k", "signature": "s"}},
                        "c": {{"kind": "k", "signature": "s"}}}},
            "commands": {{"c": {{"runner": "https://webc.org/runner/wasi/command@unstable_"{}}},
                          "d": {{"runner": "https://webc.org/runner/wasi@unstable_"}}}}}})",
        annotations));
    return manifest ? manifest->commands[0].atom + " " + manifest->commands[1].atom
                    : manifest.error().message();
  };
  EXPECT_EQ(atom_of_command(""), "c first");
  EXPECT_EQ(
      atom_of_command(
          R"(, "annotations": {"wasi": {"atom": "first", "package": null, "main_args": null}})"),
      "first first");
}

TEST(WebcManifest, NamesThatLeadNowhere_AreRefused) {
  EXPECT_THAT(fault(R"({"entrypoint": "x"})"), HasSubstr("entrypoint \"x\" is not the name of"));
  constexpr std::string_view kCommand =
      R"({{"commands": {{"c": {{"runner": "https://webc.org/runner/wasi",
                               "annotations": {{"atom": {}}}}}}}}})";
  EXPECT_THAT(fault(fmt::format(kCommand, R"({"name": "m"})")),
              HasSubstr("runs the atom \"m\", which the package does not have"));
  EXPECT_THAT(fault(fmt::format(kCommand, R"({"name": "m", "dependency": "d"})")),
              HasSubstr("uses \"d\", which is not among the dependencies"));
  EXPECT_THAT(
      fault(R"({"package": {"fs": [{"from": "d", "volume_name": "v", "mount_path": "/"}]}})"),
      HasSubstr("package.fs.0.from names \"d\""));
  EXPECT_THAT(fault(R"({"package": {"fs": [{"volume_name": "v", "mount_path": "/../x"}]}})"),
              HasSubstr("must not contain"));
}

TEST(WebcManifest, WrongKinds_AreRefusedByPath) {
  EXPECT_THAT(fault("[]"), HasSubstr("it must be a map"));
  EXPECT_THAT(fault(R"({"package": 1})"), HasSubstr("package must be a map"));
  EXPECT_THAT(fault(R"({"package": {"wapm": {"name": 1}}})"),
              HasSubstr("package.wapm.name must be a text"));
  EXPECT_THAT(fault(R"({"package": {"fs": [3]}})"), HasSubstr("package.fs.0 must be a map"));
  EXPECT_THAT(fault(R"({"atoms": {"a": {"kind": "k"}}})"),
              HasSubstr("atoms.a.signature must be a text"));
  EXPECT_THAT(fault(R"({"commands": {"c": {"annotations": {}}}})"), HasSubstr("commands.c.runner"));
  EXPECT_THAT(fault(R"({"use": {"a": 1}})"), HasSubstr("use.a must be a text"));
  EXPECT_THAT(fault(R"({"use": {"a": "x\u0000y"}})"), HasSubstr("a text without NUL"));
  EXPECT_THAT(fault(
                  R"({"commands": {"c": {"runner": "https://webc.org/runner/wasi",
                                 "annotations": {"wasi": {"env": ["A"]}}}}})"),
              HasSubstr("commands.c.annotations.wasi.env"));
  EXPECT_THAT(fault(R"({"commands": {"": {"runner": "r"}}})"),
              HasSubstr("a name in commands is empty"));
}

TEST(WebcManifest, HostileCbor_IsRefused) {
  EXPECT_THAT(fault_of_bytes(""), HasSubstr("not well-formed CBOR"));
  EXPECT_THAT(fault_of_bytes("\xa1"), HasSubstr("not well-formed CBOR"));
  EXPECT_THAT(fault_of_bytes(std::string("\xa0\x00", 2)), HasSubstr("not well-formed CBOR"));
  EXPECT_THAT(fault_of_bytes("\xa2\x61x\x01\x61x\x02"), HasSubstr("the key \"x\" is repeated"));
  EXPECT_THAT(fault_of_bytes("\xa1\x61\xff\x01"), HasSubstr("a key is not UTF-8"));
  EXPECT_THAT(fault_of_bytes("\xa1\x61x\x61\xff"), HasSubstr("a text is not UTF-8"));
  EXPECT_THAT(fault_of_bytes("\xa1\x01\x01"), HasSubstr("not well-formed CBOR"));
  EXPECT_THAT(fault_of_bytes(std::string(500'000, '\x81')),
              HasSubstr("more than 32 maps and lists"));
  EXPECT_THAT(fault_of_bytes("\x9f" + std::string(5'000, '\x01') + "\xff"),
              HasSubstr("more than 4096 entries"));
  EXPECT_THAT(fault_of_bytes(std::string((1 << 20) + 1, '\0')), HasSubstr("larger than 1024 KiB"));
  std::string many = "\x9f";
  for (int list = 0; list < 4'000; ++list) {
    many += "\x94" + std::string(20, '\x01');
  }
  EXPECT_THAT(fault_of_bytes(many + "\xff"), HasSubstr("more than 65536 values"));
}

TEST(WebcManifest, TruncatedAnywhere_IsRefused) {
  const auto bytes = cbor(kFull);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(parse_webc_manifest(base::ByteSpan(bytes).first(length)).has_value()) << length;
  }
}

TEST(WebcManifest, Signature_IsBase64) {
  const base::ByteSpan abc = base::as_bytes("abc");
  EXPECT_EQ(webc_signature(crypto::sha256(std::span(&abc, 1))),
            "sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

TEST(WebcManifest, Contents_MustBeWhatItSays) {
  const base::ByteSpan code = base::as_bytes("code");
  const std::vector<wire::WebcNode> atoms{
      {.kind = wire::WebcKind::kFile, .name = "m", .content = code}};
  const std::vector<wire::WebcVolume> volumes{{.name = "v", .root = {}}};
  const auto image = wire::write_webc({.manifest = {}, .atoms = atoms, .volumes = volumes},
                                      {.sha256 = &crypto::sha256});
  ASSERT_TRUE(image.has_value());
  const auto bytes = image->to_bytes();
  const auto package = wire::WebcPackage::open(bytes);
  ASSERT_TRUE(package.has_value());
  ASSERT_TRUE(package->verify(&crypto::sha256).has_value());

  WebcManifest manifest;
  manifest.atoms = {{.name = "m",
                     .signature = webc_signature(crypto::sha256(std::span(&code, 1))),
                     .features = {}}};
  manifest.mounts = {{.from = {}, .volume = "v", .host_path = {}, .guest = "/v"}};
  EXPECT_TRUE(check_webc_contents(manifest, *package).has_value());
  manifest.mounts[0].volume = "w";
  EXPECT_THAT(check_webc_contents(manifest, *package).error().message(),
              HasSubstr("the volume \"w\""));
  manifest.mounts.clear();
  manifest.atoms[0].signature[10] ^= 1;
  EXPECT_THAT(check_webc_contents(manifest, *package).error().message(),
              HasSubstr("not that of its contents"));
  manifest.atoms[0].signature = "md5:x";
  EXPECT_EQ(check_webc_contents(manifest, *package).error().kind(), ErrorKind::kUnsupported);
  manifest.atoms[0].name = "n";
  EXPECT_THAT(check_webc_contents(manifest, *package).error().message(),
              HasSubstr("\"n\" is not in the package"));
}

}  // namespace
}  // namespace selvedge::app
