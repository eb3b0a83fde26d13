#include "wire/webc_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "wire/testing/webc_files.h"
#include "wire/webc_reader.h"

namespace selvedge::wire {
namespace {

using testing::file;
using testing::folder;
using ::testing::HasSubstr;
using testing::link;
using testing::weak_sha256;

Result<std::string> write(const std::vector<WebcNode>& atoms,
                          const std::vector<WebcVolume>& volumes,
                          WebcVersion version = WebcVersion::kV3, const WebcLimits& limits = {}) {
  SELVEDGE_TRY(
      const WebcImage image,
      write_webc({.manifest = base::as_bytes("\xa1\x61k\x61v"), .atoms = atoms, .volumes = volumes},
                 {.sha256 = &weak_sha256, .version = version, .limits = limits}));
  const auto bytes = image.to_bytes();
  EXPECT_EQ(bytes.size(), image.size());
  return std::string(base::as_text(bytes));
}

std::string message(const Result<std::string>& result) {
  return result ? "none" : result.error().message();
}

TEST(WebcWriter, WhatIsWritten_IsRead) {
  const std::string large(100'000, 'x');
  for (const WebcVersion version : {WebcVersion::kV2, WebcVersion::kV3}) {
    const auto bytes = write({file("b", "B"), file("a", "A")},
                             {{.name = "z", .root = folder("", {})},
                              {.name = "/app",
                               .root = folder("", {file("large", large, 3), file("empty", "", 4),
                                                   folder("d", {folder("e", {file("f", "F")})})})}},
                             version);
    ASSERT_TRUE(bytes.has_value());
    const auto package = WebcPackage::open(base::as_bytes(*bytes));
    ASSERT_TRUE(package.has_value()) << package.error().message();
    EXPECT_TRUE(package->verify(&weak_sha256).has_value());
    EXPECT_EQ(package->version(), version);
    EXPECT_EQ(base::as_text(package->manifest()), "\xa1\x61k\x61v");
    ASSERT_EQ(package->atoms().size(), 2);
    EXPECT_EQ(package->atoms()[0].name, "a");
    EXPECT_EQ(base::as_text(package->atoms()[1].content), "B");
    ASSERT_EQ(package->volumes().size(), 2);
    const WebcNode& app = package->volumes()[0].root;
    EXPECT_EQ(base::as_text(app.find("large")->content), large);
    EXPECT_EQ(app.find("large")->mtime,
              version == WebcVersion::kV3 ? std::optional<std::uint64_t>(3) : std::nullopt);
    EXPECT_TRUE(app.find("empty")->content.empty());
    EXPECT_EQ(base::as_text(app.find("d")->find("e")->find("f")->content), "F");
    EXPECT_TRUE(package->volumes()[1].root.children.empty());
  }
}

TEST(WebcWriter, TheOrderGiven_ChangesNothing) {
  const auto one = write({file("a", "A"), file("b", "B")},
                         {{.name = "v", .root = folder("", {file("x", "X"), file("Y", "Y")})},
                          {.name = "w", .root = folder("", {})}});
  const auto other = write({file("b", "B"), file("a", "A")},
                           {{.name = "w", .root = folder("", {})},
                            {.name = "v", .root = folder("", {file("Y", "Y"), file("x", "X")})}});
  ASSERT_TRUE(one.has_value());
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(*one, *other);
}

TEST(WebcWriter, WhatTheReaderWouldRefuse_IsRefused) {
  const auto volume = [](std::vector<WebcNode> children) {
    return std::vector<WebcVolume>{{.name = "v", .root = folder("", std::move(children))}};
  };
  EXPECT_EQ(message(write({}, volume({file("a", ""), folder("a", {})}))),
            "v: two entries are named \"a\"");
  EXPECT_EQ(message(write({}, volume({folder("d", {file("Q", ""), file("q", "")})}))),
            "v/d: the entries \"Q\" and \"q\" differ only in case");
  EXPECT_THAT(message(write({}, volume({file("", "")}))), HasSubstr("name is empty"));
  EXPECT_THAT(message(write({}, volume({file("..", "")}))), HasSubstr("\".\" or \"..\""));
  EXPECT_THAT(message(write({}, volume({file("a/b", "")}))), HasSubstr("contains '/'"));
  EXPECT_THAT(message(write({file("a/b", "")}, {})), HasSubstr("contains '/'"));
  EXPECT_EQ(message(write({folder("a", {})}, {})), "the atom \"a\" is not a file");
  EXPECT_THAT(message(write({}, {{.name = "", .root = folder("", {})}})),
              HasSubstr("a volume's name must be"));
  EXPECT_THAT(message(write({}, {{.name = "v", .root = file("", "")}})),
              HasSubstr("the root must be a folder"));
  EXPECT_THAT(message(write({}, volume({file("a", "", UINT64_MAX)}))), HasSubstr("out of range"));
  WebcNode deep = folder("d", {});
  for (int i = 0; i < 128; ++i) {
    std::vector<WebcNode> inner{std::move(deep)};
    deep = folder("d", std::move(inner));
  }
  EXPECT_THAT(message(write({}, volume({std::move(deep)}))), HasSubstr("more than 128 folders"));
  EXPECT_EQ(write({file("a", "")}, {}, WebcVersion::kV3, {.entries_max = 1}).error().kind(),
            ErrorKind::kOverloaded);
  EXPECT_EQ(write({}, {}, WebcVersion::kV3, {.bytes_max = 400}).error().kind(),
            ErrorKind::kOverloaded);
}

TEST(WebcWriter, Links_StayInTheVolume) {
  const auto linked = [](std::string_view target, WebcVersion version = WebcVersion::kV3) {
    return message(write(
        {}, {{.name = "v", .root = folder("", {folder("d", {link("l", target)})})}}, version));
  };
  EXPECT_EQ(linked("../x"), "none");
  EXPECT_EQ(linked("x/../../y"), "none");
  EXPECT_EQ(linked("."), "none");
  EXPECT_EQ(linked("../../x"), "v/d/l: a symbolic link must stay inside the volume");
  EXPECT_EQ(linked("x/../../../x"), "v/d/l: a symbolic link must stay inside the volume");
  EXPECT_EQ(linked("/x"), "v/d/l: a symbolic link must be relative");
  EXPECT_EQ(linked(""), "v/d/l: a symbolic link must be relative");
  EXPECT_THAT(linked("c:x"), HasSubstr("without NUL, backslash and colon"));
  EXPECT_THAT(linked(std::string_view("a\0b", 3)), HasSubstr("without NUL"));
  EXPECT_THAT(linked(std::string(4096, 'x')), HasSubstr("longer than 4095 bytes"));
  EXPECT_THAT(linked("x", WebcVersion::kV2), HasSubstr("version 2 have no symbolic links"));
}

}  // namespace
}  // namespace selvedge::wire
