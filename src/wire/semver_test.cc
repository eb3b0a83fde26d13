#include "wire/semver.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

// Goal: versions are read and ordered as semver.org 2.0.0 says, ranges as Cargo and Wasmer do.
// Method: the specification's own examples, by section, and one row for each form of a range.

namespace selvedge::wire {
namespace {

TEST(Semver, Section2_And9_And10_Forms) {
  for (const char* text :
       {"0.0.0", "1.9.0", "1.10.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.3.7", "1.0.0-x.7.z.92",
        "1.0.0-x-y-z.--", "1.0.0-alpha+001", "1.0.0+20130313144700", "1.0.0-beta+exp.sha.5114f85",
        "1.0.0+21AF26D3----117B344092BD", "18446744073709551615.0.0"}) {
    EXPECT_TRUE(is_semver(text)) << text;
  }
  for (const char* text :
       {"", "1", "1.2", "1.2.3.4", "01.2.3", "1.02.3", "1.2.03", "v1.2.3", "1.2.3-", "1.2.3-01",
        "1.2.3+", "1.2.3-a..b", "-1.2.3", "1.2.x", " 1.2.3", "1.2.3 ", "1.2.3-\xc3\xa9", "\xff",
        "18446744073709551616.0.0"}) {
    EXPECT_FALSE(is_semver(text)) << text;
  }
  EXPECT_FALSE(is_semver("1.2.3-" + std::string(kSemverBytesMax, 'a')));
}

TEST(Semver, Section11_Precedence) {
  constexpr std::array kAscending{"1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
                                  "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",       "1.0.0",
                                  "1.9.0",        "1.10.0",        "1.11.0",           "2.0.0",
                                  "2.1.0",        "2.1.1"};
  for (std::size_t i = 0; i < kAscending.size(); ++i) {
    for (std::size_t j = 0; j < kAscending.size(); ++j) {
      const int order = compare_semver(kAscending[i], kAscending[j]);
      EXPECT_EQ(order < 0, i < j) << kAscending[i] << " " << kAscending[j];
      EXPECT_EQ(order == 0, i == j) << kAscending[i] << " " << kAscending[j];
    }
  }
  EXPECT_EQ(compare_semver("1.0.0+a", "1.0.0+b"), 0);
  EXPECT_LT(compare_semver("no", "0.0.0-0"), 0);
}

struct RangeRow {
  const char* range;
  const char* version;
  bool matches;
};

TEST(Semver, Ranges) {
  for (const RangeRow& row : {RangeRow{"1.2.3", "1.2.3", true},
                              {"1.2.3", "1.9.0", true},
                              {"1.2.3", "1.2.2", false},
                              {"1.2.3", "2.0.0", false},
                              {"^1.2", "1.2.0", true},
                              {"^1.2", "1.1.9", false},
                              {"1", "1.99.0", true},
                              {"1", "2.0.0", false},
                              {"^0.2.3", "0.2.9", true},
                              {"^0.2.3", "0.3.0", false},
                              {"^0.0.3", "0.0.3", true},
                              {"^0.0.3", "0.0.4", false},
                              {"0", "0.9.0", true},
                              {"~1.2.3", "1.2.9", true},
                              {"~1.2.3", "1.3.0", false},
                              {"~1", "1.9.0", true},
                              {"=8.3.4", "8.3.4", true},
                              {"=8.3.4", "8.3.5", false},
                              {"=1.2", "1.2.7", true},
                              {"*", "9.9.9", true},
                              {"1.*", "1.5.0", true},
                              {"1.*", "2.0.0", false},
                              {">=1.2, <1.5", "1.4.9", true},
                              {">=1.2, <1.5", "1.5.0", false},
                              {">1.2.3", "1.2.3", false},
                              {"<=1.2.3", "1.2.3", true},
                              {"1", "1.0.0-rc.1", false},
                              {"*", "1.0.0-rc.1", false},
                              {"1.0.0-rc", "1.0.0-rc.1", true},
                              {"1.0.0-rc", "1.0.0", true},
                              {"1.0.0-rc", "1.1.0-rc", false},
                              {"1.2.3", "1.2.3+build", true}}) {
    EXPECT_EQ(semver_matches(row.range, row.version), row.matches)
        << row.range << " " << row.version;
  }
  for (const char* text : {"", "latest", "1.2.3.4", "^", ">=", "1 - 2", "1 || 2", "1,", "=>1"}) {
    EXPECT_FALSE(is_semver_range(text)) << text;
  }
  EXPECT_TRUE(is_semver_range("*"));
  EXPECT_FALSE(semver_matches("latest", "1.0.0"));
}

}  // namespace
}  // namespace selvedge::wire
