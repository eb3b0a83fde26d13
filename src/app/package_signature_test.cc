#include "app/package_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "app/package_registry.h"
#include "app/testing/app_world.h"
#include "base/bytes.h"
#include "base/random.h"
#include "io/testing/simulation.h"

// Goal: under a name of an owner with keys nothing is published or run but what one of them has
// signed, also when somebody else has written to the store. Method: a real store, whose documents
// are changed behind the registry's back.

namespace selvedge::app {
namespace {

using ::testing::HasSubstr;

class PackageSignatureTest : public ::testing::Test {
 protected:
  PackageImage image(const std::string& name, const std::string& version) {
    auto made = world_.image_of("(module)");
    made.name = name;
    made.version = version;
    return made;
  }
  static PublishedPackage published(const PackageImage& image,
                                    std::optional<PackageSignature> signature) {
    return {.name = image.name,
            .version = image.version,
            .image = identity(image),
            .linked = identity(image),
            .dependencies = {},
            .sha256 = std::nullopt,
            .signature = std::move(signature)};
  }
  PackageSignature sign(const PackageImage& image) {
    return sign_package(key_, image.name, image.version, identity(image));
  }
  static std::string fault(const Result<>& result) {
    if (result.has_value()) {
      return "no error";
    }
    EXPECT_EQ(result.error().kind(), ErrorKind::kDenied);
    return result.error().message();
  }
  Result<PublishedPackage> publish(PackageRegistry& registry, const PackageImage& image,
                                   std::optional<PackageSignature> signature) {
    SELVEDGE_TRY(auto linked, registry.link(image));
    return registry.publish({.image = image,
                             .linked = std::move(linked),
                             .sha256 = std::nullopt,
                             .signature = std::move(signature)});
  }

  base::SeededRandom random_{7};
  crypto::SecretKey key_ = crypto::make_ed25519_key(random_);
  std::string public_key_ = to_hex(crypto::ed25519_public_key(key_));
  PublisherPolicy policy_{.keys = {{"ada", {public_key_}}}};
  io::testing::Simulation simulation_{1};
  testing::AppWorld world_{simulation_.clock()};
  PackageRegistry registry_{world_.apps(), simulation_.clock(), policy_};
};

TEST_F(PackageSignatureTest, WhatIsSigned_IsNameVersionAndContent) {
  const auto loom = image("ada/loom", "1.0.0");
  EXPECT_TRUE(policy_.verify(published(loom, sign(loom))).has_value());
  for (const auto& [name, version] : {std::pair("ada/loom", "1.0.1"), {"ada/spool", "1.0.0"}}) {
    auto other = published(image(name, version), sign(loom));
    EXPECT_THAT(fault(policy_.verify(other)), HasSubstr("does not hold")) << name << version;
  }
  auto changed = published(loom, sign(loom));
  changed.image = crypto::blake3(base::as_bytes(std::string_view("other")));
  EXPECT_THAT(fault(policy_.verify(changed)),
              HasSubstr("the signature of ada/loom 1.0.0 does not hold"));
}

TEST_F(PackageSignatureTest, APackageOfAnOwnerWithKeys_NeedsOneOfThem) {
  const auto loom = image("ada/loom", "1.0.0");
  EXPECT_THAT(fault(policy_.verify(published(loom, std::nullopt))),
              HasSubstr("ada/loom 1.0.0 is not signed, and packages of \"ada\" must be"));
  const auto other = crypto::make_ed25519_key(random_);
  EXPECT_THAT(fault(policy_.verify(
                  published(loom, sign_package(other, loom.name, loom.version, identity(loom))))),
              HasSubstr("which is none of \"ada\" here"));
}

TEST_F(PackageSignatureTest, OwnersWithoutKeys_AreRefusedOnlyWhereSignaturesAreRequired) {
  const auto site = image("me/site", "1.0.0");
  EXPECT_TRUE(policy_.verify(published(site, std::nullopt)).has_value());
  auto bad = sign(site);
  bad.signature.front() = bad.signature.front() == '0' ? '1' : '0';
  EXPECT_THAT(fault(policy_.verify(published(site, bad))), HasSubstr("does not hold"));
  const PublisherPolicy strict{.keys = policy_.keys, .signatures_required = true};
  EXPECT_THAT(fault(strict.verify(published(site, sign(site)))),
              HasSubstr("me/site 1.0.0 must be signed, and this node knows no key of \"me\""));
}

TEST_F(PackageSignatureTest, Publishing_IsRefusedWithoutTheSignature) {
  const auto loom = image("ada/loom", "1.0.0");
  EXPECT_FALSE(publish(registry_, loom, std::nullopt).has_value());
  EXPECT_TRUE(registry_.versions("ada/loom")->empty());
  EXPECT_TRUE(publish(registry_, loom, sign(loom)).has_value());
}

TEST_F(PackageSignatureTest, WhoeverWritesToTheStore_CannotReplaceAPackage) {
  const auto loom = image("ada/loom", "1.0.0");
  ASSERT_TRUE(publish(registry_, loom, sign(loom)).has_value());
  EXPECT_TRUE(registry_.verify(loom).has_value());
  // Another content under the name, with the old signature; nobody else can make a new one.
  auto other = loom;
  other.commands[0].main_args = {"--evil"};
  const auto key = store::Key::parse("packages/ada/loom/1.0.0");
  ASSERT_TRUE(world_.blobs()
                  .put(*key, base::as_bytes(to_json(published(other, sign(loom)))),
                       store::Precondition::any())
                  .has_value());
  EXPECT_THAT(fault(registry_.verify(other)), HasSubstr("does not hold"));
  // A version of an app that was made from the old content.
  EXPECT_THAT(fault(registry_.verify(loom)), HasSubstr("is not a package that was published"));
}

TEST_F(PackageSignatureTest, ALinkedPackage_IsWhatItsOriginsMake) {
  const auto loom = image("ada/loom", "1.0.0");
  ASSERT_TRUE(publish(registry_, loom, sign(loom)).has_value());
  auto site = image("me/site", "1.0.0");
  site.dependencies = {{.name = "ada/loom", .range = "1"}};
  ASSERT_TRUE(world_.apps().put_image(site).has_value());
  auto linked = registry_.link(site);
  ASSERT_TRUE(linked.has_value()) << linked.error().message();
  EXPECT_TRUE(registry_.verify(*linked).has_value());
  linked->commands[0].main_args = {"--evil"};
  EXPECT_THAT(fault(registry_.verify(*linked)), HasSubstr("not what the packages make"));
}

TEST_F(PackageSignatureTest, WhereSignaturesAreRequired_WhatIsNotPublishedDoesNotRun) {
  const PublisherPolicy strict{.keys = policy_.keys, .signatures_required = true};
  PackageRegistry registry(world_.apps(), simulation_.clock(), strict);
  EXPECT_THAT(fault(registry.verify(image("", ""))), HasSubstr("must be signed"));
  EXPECT_THAT(fault(registry.verify(image("ada/loom", "1.0.0"))),
              HasSubstr("is not a package that was published"));
}

TEST_F(PackageSignatureTest, Keys_AreHexadecimalDigits) {
  EXPECT_EQ(to_hex(*parse_publisher_key(public_key_)), public_key_);
  for (const std::string& text : {std::string(), public_key_.substr(1), public_key_ + "0",
                                  std::string(64, 'G'), std::string(64, 'A')}) {
    EXPECT_FALSE(parse_publisher_key(text).has_value()) << text;
    EXPECT_FALSE(parse_publisher_secret(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace selvedge::app
