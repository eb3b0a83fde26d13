#include "node/admin_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "store/testing/store_world.h"

namespace selvedge::node {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct ManualClock final : base::Clock {
  base::MonotonicTime now() const noexcept override { return {}; }
  base::WallTime wall_now() const noexcept override { return wall; }
  base::WallTime wall{1'800'000'000s};
};

class AdminCertificateTest : public ::testing::Test {
 protected:
  std::string fingerprint() {
    const auto opened = open_own_certificate(files_, "apps.test", clock_);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return opened.has_value() ? fingerprint_of(*opened) : "";
  }
  store::testing::TemporaryFolder folder_;
  AdminCertificateFiles files_{.certificate = folder_.path() / "certificate.pem",
                               .key = folder_.path() / "key.pem"};
  ManualClock clock_;
};

TEST_F(AdminCertificateTest, MadeOnce_ItStays) {
  const std::string first = fingerprint();
  EXPECT_THAT(first, StartsWith("sha256:"));
  EXPECT_EQ(first.size(), 71U);
  EXPECT_EQ(fingerprint(), first);
  EXPECT_EQ(std::filesystem::status(files_.key).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  // Also when it has expired, which is the operator's to see: clients have pinned its key.
  clock_.wall += 24h * 365 * 20;
  EXPECT_EQ(fingerprint(), first);
}

TEST_F(AdminCertificateTest, WithoutOneOfTheFiles_BothAreMadeAnew) {
  const std::string first = fingerprint();
  std::filesystem::remove(files_.key);
  const std::string second = fingerprint();
  EXPECT_NE(second, first);
  std::filesystem::remove(files_.certificate);
  EXPECT_NE(fingerprint(), second);
}

TEST_F(AdminCertificateTest, WhatIsWrongWithAFile_NamesIt) {
  fingerprint();
  std::ofstream(files_.key) << "no key";
  const auto read = read_admin_certificate(files_, clock_);
  ASSERT_FALSE(read.has_value());
  EXPECT_THAT(read.error().message(), HasSubstr(files_.key.string()));
  std::filesystem::remove(files_.certificate);
  EXPECT_THAT(read_admin_certificate(files_, clock_).error().message(),
              HasSubstr(files_.certificate.string()));
}

}  // namespace
}  // namespace selvedge::node
