// Packages from strangers: opening never reads outside of the file; what opens and proves right can
// be written again, and that opens with the same contents.

#include <cstdint>
#include <string>

#include "base/assert.h"
#include "wire/testing/webc_files.h"
#include "wire/webc_reader.h"
#include "wire/webc_writer.h"

namespace selvedge::wire {
namespace {

constexpr WebcLimits kLimits{.entries_max = 500, .depth_max = 20, .name_bytes_max = 60};

std::string everything(const WebcPackage& package) {
  std::string out(base::as_text(package.manifest()));
  for (const WebcNode& atom : package.atoms()) {
    out += testing::listing(atom);
  }
  for (const WebcVolume& volume : package.volumes()) {
    out += volume.name + "\n" + testing::listing(volume.root);
  }
  return out;
}

void check(base::ByteSpan file) {
  const auto package = WebcPackage::open(file, kLimits);
  if (!package) {
    return;
  }
  static_cast<void>(package->verify(&testing::weak_sha256));
  const auto image = write_webc(
      {.manifest = package->manifest(), .atoms = package->atoms(), .volumes = package->volumes()},
      {.sha256 = &testing::weak_sha256, .version = package->version(), .limits = kLimits});
  SELVEDGE_ASSERT(image.has_value());
  const auto bytes = image->to_bytes();
  const auto again = WebcPackage::open(bytes, kLimits);
  SELVEDGE_ASSERT(again.has_value());
  SELVEDGE_ASSERT(again->verify(&testing::weak_sha256).has_value());
  SELVEDGE_ASSERT(everything(*again) == everything(*package));
}

}  // namespace
}  // namespace selvedge::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  selvedge::wire::check(std::as_bytes(std::span(data, size)));
  return 0;
}
