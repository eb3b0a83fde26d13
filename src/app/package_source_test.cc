#include "app/package_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "app/webc_manifest.h"
#include "base/bytes.h"
#include "crypto/sha256.h"
#include "engine/engine.h"
#include "store/testing/store_world.h"
#include "wire/testing/webc_files.h"
#include "wire/webc_writer.h"

namespace selvedge::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::string_view kModule =
    R"((module (memory (export "memory") 1) (func (export "_start"))))";

constexpr std::string_view kManifest = R"([package]
name = "me/site"
version = "1.2.3"
entrypoint = "one"
[fs]
"/data" = "data"
"/copy" = "copy"
[[module]]
name = "m"
source = "m.wat"
[[command]]
name = "one"
module = "m"
runner = "wcgi"
[[command]]
name = "two"
module = "m"
runner = "wasi"
)";

class PackageSourceTest : public ::testing::Test {
 protected:
  std::string path(std::string_view name) const { return (folder_.path() / name).string(); }
  std::string write(std::string_view name, std::string_view text) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  static std::string fault(const std::string& target) {
    const auto source = read_package_source(target);
    return source.has_value() ? "no error" : source.error().message();
  }
  static base::ByteSpan bytes_of(const PackageSource& source, const BlobReference& blob) {
    const auto found = std::ranges::find(source.blobs, blob, &SourceBlob::reference);
    return found == source.blobs.end() ? base::ByteSpan() : base::ByteSpan(found->bytes);
  }

  store::testing::TemporaryFolder folder_;
};

TEST_F(PackageSourceTest, ATextModule_IsPublishedAsBinary) {
  const auto source = read_package_source(write("hello.wat", kModule));
  ASSERT_TRUE(source.has_value()) << source.error().message();
  ASSERT_EQ(source->image.modules.size(), 1U);
  ASSERT_EQ(source->image.commands.size(), 1U);
  EXPECT_EQ(source->image.commands[0].runner, std::nullopt);
  EXPECT_TRUE(std::ranges::equal(bytes_of(*source, source->image.modules[0].blob),
                                 engine::wat_to_wasm(kModule).value()));
}

TEST_F(PackageSourceTest, AFolder_HasEachBlobOnce) {
  write("wasmer.toml", kManifest);
  write("m.wat", kModule);
  write("data/a", "A");
  write("copy/a", "A");
  const auto source = read_package_source(folder_.path().string());
  ASSERT_TRUE(source.has_value()) << source.error().message();
  const PackageImage& image = source->image;
  EXPECT_EQ(image.name, "me/site");
  EXPECT_EQ(image.version, "1.2.3");
  EXPECT_EQ(image.entrypoint, "one");
  EXPECT_EQ(image.modules.size(), 1U);
  EXPECT_EQ(image.commands.size(), 2U);
  EXPECT_EQ(image.volumes.size(), 2U);
  EXPECT_EQ(image.volumes[0].blob, image.volumes[1].blob);
  EXPECT_EQ(source->blobs.size(), 2U);
  for (const BlobReference& blob : blobs_of(image)) {
    const auto bytes = bytes_of(*source, blob);
    EXPECT_EQ(bytes.size(), blob.bytes);
    EXPECT_EQ(crypto::blake3(bytes), blob.hash);
  }
  EXPECT_EQ(identity(read_package_source(folder_.path().string())->image), identity(image));
}

TEST_F(PackageSourceTest, APackageFile_MeansTheSameAsItsFolder) {
  write("wasmer.toml", kManifest);
  write("m.wat", kModule);
  write("data/a", "A");
  write("copy/a", "A");
  const auto folder = read_package_source(folder_.path().string()).value();
  const auto module = engine::wat_to_wasm(kModule).value();
  const std::vector<wire::WebcNode> atoms{
      wire::testing::file("m", base::as_text(base::ByteSpan(module)))};
  const std::vector<wire::WebcVolume> volumes{
      {.name = "v",
       .root = wire::testing::folder(
           "", {wire::testing::folder("data", {wire::testing::file("a", "A", 5)}, 6)})}};
  WebcManifest manifest;
  manifest.name = "me/site";
  manifest.version = "1.2.3";
  manifest.entrypoint = "one";
  WebcAtom atom;
  atom.name = "m";
  atom.kind = "https://webc.org/kind/wasm";
  atom.signature = webc_signature(crypto::sha256(std::vector<base::ByteSpan>{module}));
  manifest.atoms.push_back(std::move(atom));
  for (const auto& [name, runner] : {std::pair("one", "https://webc.org/runner/wcgi"),
                                     std::pair("two", "https://webc.org/runner/wasi")}) {
    WebcCommand command;
    command.name = name;
    command.runner = runner;
    command.atom = "m";
    manifest.commands.push_back(std::move(command));
  }
  for (const auto* guest : {"/data", "/copy"}) {
    WebcMount mount;
    mount.guest = guest;
    mount.volume = "v";
    mount.host_path = "/data";
    manifest.mounts.push_back(std::move(mount));
  }
  const auto cbor = build_webc_manifest(manifest);
  const auto file = wire::write_webc({.manifest = cbor, .atoms = atoms, .volumes = volumes},
                                     {.sha256 = crypto::sha256});
  ASSERT_TRUE(file.has_value()) << file.error().message();
  const auto bytes = file->to_bytes();
  const auto source = read_package_source(write("p.webc", base::as_text(base::ByteSpan(bytes))));
  ASSERT_TRUE(source.has_value()) << source.error().message();
  EXPECT_EQ(source->blobs.size(), 2U);
  EXPECT_EQ(source->image.modules[0].blob, folder.image.modules[0].blob);
  EXPECT_EQ(source->image.volumes, folder.image.volumes);
  EXPECT_EQ(source->image.commands[0].runner, RunnerKind::kWcgi);
  EXPECT_EQ(source->image.entrypoint, "one");
  write("half.webc", base::as_text(base::ByteSpan(bytes)).substr(0, bytes.size() / 2));
  EXPECT_THAT(fault(path("half.webc")), HasSubstr("half.webc"));
}

TEST_F(PackageSourceTest, WhatIsNoModule_IsNamed) {
  EXPECT_THAT(fault(write("no.wasm", "text")), HasSubstr("no.wasm: not a WebAssembly module"));
  EXPECT_THAT(fault(write("no.wat", "(module (func")), HasSubstr("no.wat"));
  EXPECT_THAT(fault(path("missing.wasm")), HasSubstr("missing.wasm"));
  EXPECT_THAT(fault(write("no.webc", "text")), HasSubstr("no.webc"));
}

}  // namespace
}  // namespace selvedge::app
