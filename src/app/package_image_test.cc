#include "app/package_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace selvedge::app {
namespace {

using nlohmann::json;
using testing::HasSubstr;

PackageImage example() {
  const crypto::Blake3Hash a = crypto::blake3(base::as_bytes("a"));
  const crypto::Blake3Hash b = crypto::blake3(base::as_bytes("b"));
  return {.name = "me/site",
          .version = "1.0.0",
          .entrypoint = "php",
          .modules = {{.name = "php-cgi", .blob = {.hash = a, .bytes = 1}}},
          .volumes = {{.guest = "/app", .blob = {.hash = b, .bytes = 2}},
                      {.guest = "/lib", .blob = {.hash = b, .bytes = 2}}},
          .commands = {{.name = "php",
                        .module = "php-cgi",
                        .runner = RunnerKind::kWcgi,
                        .program_name = "php-cgi",
                        .main_args = {"-c", "/etc"},
                        .environment = {{"A", "1"}, {"B", ""}}},
                       {.name = "tool",
                        .module = "php-cgi",
                        .runner = std::nullopt,
                        .program_name = "tool",
                        .main_args = {},
                        .environment = {}}}};
}

std::string error_of(const json& document) {
  const auto parsed = parse_package_image(document.dump());
  return parsed.has_value() ? "" : parsed.error().message();
}

TEST(PackageImage, ComesBackFromItsText) {
  const auto parsed = parse_package_image(to_json(example()));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_EQ(*parsed, example());
  EXPECT_EQ(identity(*parsed), identity(example()));
  PackageImage other = example();
  other.commands[0].main_args[0] = "-d";
  EXPECT_NE(identity(other), identity(example()));
}

TEST(PackageImage, BlobsAreListedOnce) {
  const auto blobs = blobs_of(example());
  ASSERT_EQ(blobs.size(), 2U);
  EXPECT_EQ(blobs[1].bytes, 2U);
}

TEST(PackageImage, TheMainCommandIsTheEntrypointOrTheOnlyOne) {
  PackageImage image = example();
  EXPECT_EQ((*main_command(image))->name, "php");
  image.entrypoint.reset();
  EXPECT_THAT(main_command(image).error().message(), HasSubstr("php, tool"));
  image.commands.pop_back();
  EXPECT_EQ((*main_command(image))->name, "php");
}

TEST(PackageImage, RefusesWhatDoesNotHoldTogether) {
  const auto good = json::parse(to_json(example()));
  const auto with = [&good](const char* pointer, const json& value) {
    json changed = good;
    changed[json::json_pointer(pointer)] = value;
    return changed;
  };
  EXPECT_EQ(error_of(good), "");
  EXPECT_THAT(error_of(with("/format", 2)), HasSubstr("a newer version made"));
  EXPECT_THAT(error_of(with("/name", 1)), HasSubstr("package.name must be a text"));
  EXPECT_THAT(error_of(with("/entrypoint", "x")), HasSubstr("none of the commands"));
  EXPECT_THAT(error_of(with("/commands", json::array())), HasSubstr("1 to 1024"));
  EXPECT_THAT(error_of(with("/commands/0/module", "x")), HasSubstr("does not have"));
  EXPECT_THAT(error_of(with("/commands/1/name", "php")), HasSubstr("two commands \"php\""));
  EXPECT_THAT(error_of(with("/commands/0/runner", "magic")), HasSubstr("magic"));
  EXPECT_THAT(error_of(with("/commands/0/env", json::array({json::array({"A"})}))),
              HasSubstr("a name and a value"));
  EXPECT_THAT(error_of(with("/commands/0/env", json::array({json::array({"A=", "b"})}))),
              HasSubstr("contains '='"));
  EXPECT_THAT(error_of(with("/commands/0/main_args", {1})), HasSubstr("must be a text"));
  EXPECT_THAT(error_of(with("/modules/0/blob", "00")), HasSubstr("64 small hexadecimal"));
  EXPECT_THAT(error_of(with("/modules/0/bytes", -1)), HasSubstr("whole number"));
  EXPECT_THAT(error_of(with("/volumes/0/guest", "/a/../b")), HasSubstr("absolute path"));
  EXPECT_THAT(error_of(with("/volumes/0/guest", "/lib")), HasSubstr("two volumes at"));
  EXPECT_THAT(error_of("text"), HasSubstr("must be an object"));
  EXPECT_THAT(parse_package_image("{").error().message(), HasSubstr("is not valid JSON"));
  EXPECT_FALSE(parse_package_image(std::string(500'000, '[')).has_value());
}

}  // namespace
}  // namespace selvedge::app
