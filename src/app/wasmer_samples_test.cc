#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "app/app_config.h"
#include "app/manifest.h"
#include "app/package.h"

// Goal: what Wasmer's guides show is read here without an error. Method: SELVEDGE_WASMER_SAMPLES
// names a folder of *app.yaml and *wasmer.toml files, which are not part of the source tree;
// without it the test is skipped. documented_fields_test.cc has files of the same shapes.

namespace selvedge::app {
namespace {

TEST(WasmerSamples, ParseWithoutAnError) {
  const char* const folder = std::getenv("SELVEDGE_WASMER_SAMPLES");
  if (folder == nullptr) {
    GTEST_SKIP() << "there are no samples here: SELVEDGE_WASMER_SAMPLES";
  }
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    const auto text = read_text_file(path, kAppConfigBytesMax);
    ASSERT_TRUE(text.has_value()) << path;
    if (path.ends_with("app.yaml")) {
      ++seen;
      const auto parsed = parse_app_config(*text, path);
      EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
    } else if (path.ends_with("wasmer.toml")) {
      ++seen;
      const auto parsed = parse_manifest(*text, path);
      EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
    }
  }
  EXPECT_GT(seen, 0U) << folder;
}

}  // namespace
}  // namespace selvedge::app
