// Documents of a store that somebody else may have written: what is understood means the same when
// it is written again.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "app/app_records.h"
#include "app/job_state.h"
#include "app/package_image.h"
#include "app/package_link.h"
#include "app/package_records.h"
#include "base/assert.h"
#include "base/bytes.h"

namespace selvedge::app {
namespace fuzz {

template <class Record>
void check_same(Result<Record> (*parse)(std::string_view), std::string_view text) {
  const auto record = parse(text);
  if (!record) {
    return;
  }
  const auto again = parse(to_json(*record));
  SELVEDGE_ASSERT(again.has_value());
  SELVEDGE_ASSERT(to_json(*again) == to_json(*record));
  if constexpr (requires { *again == *record; }) {
    SELVEDGE_ASSERT(*again == *record);
  }
}

void check_image(std::string_view text) {
  const auto image = parse_package_image(text);
  if (!image) {
    return;
  }
  check_same(&parse_package_image, text);
  SELVEDGE_ASSERT(!image->commands.empty() || !image->dependencies.empty());
  if (const auto command = main_command(*image)) {
    SELVEDGE_ASSERT(!image->entrypoint || *image->entrypoint == (*command)->name ||
                    image->commands.size() == 1);
  }
}

// A package that depends on others which are all like it.
void check_link(std::string_view text) {
  const auto image = parse_package_image(text);
  if (!image) {
    return;
  }
  std::vector<ChosenPackage> chosen;
  for (const ImageDependency& dependency : image->dependencies) {
    chosen.push_back({.name = dependency.name, .version = "1.0.0", .image = *image});
  }
  const auto linked = link_image(*image, chosen);
  if (!linked) {
    return;
  }
  SELVEDGE_ASSERT(linked->dependencies.empty());
  for (const ImageCommand& command : linked->commands) {
    SELVEDGE_ASSERT(std::ranges::find(linked->modules, command.module, &ImageModule::name) !=
                    linked->modules.end());
  }
}

void check_reference(std::string_view text) {
  const auto reference = parse_package_reference(text);
  SELVEDGE_ASSERT(!reference || reference->sha256.has_value() || is_package_name(reference->name));
}

void check_active(std::string_view text) {
  const auto record = parse_active_record(text);
  if (!record) {
    return;
  }
  base::SeededRandom random(1);
  const VersionNumber chosen = choose_version(*record, random);
  SELVEDGE_ASSERT(chosen >= 1 && chosen <= kVersionMax);
}

void check_changes(std::string_view text) {
  const auto record = parse_change_record(text);
  if (!record) {
    return;
  }
  SELVEDGE_ASSERT(record->since(record->sequence)->empty());
  const auto all = record->since(record->sequence - record->apps.size());
  SELVEDGE_ASSERT(all.has_value() && *all == record->apps);
}

void check_host(std::string_view text) {
  constexpr std::string_view kDomain = "example.com";
  const auto host = parse_app_host(text, kDomain);
  if (!host) {
    return;
  }
  SELVEDGE_ASSERT(is_app_name(host->app));
  const auto again = parse_app_host(app_host(host->app, host->version, kDomain), kDomain);
  SELVEDGE_ASSERT(again.has_value() && again->app == host->app && again->version == host->version);
}

void check(std::string_view text) {
  check_image(text);
  check_link(text);
  check_reference(text);
  check_same(&parse_published_package, text);
  check_same(&parse_version_record, text);
  check_same(&parse_active_record, text);
  check_same(&parse_domain_record, text);
  check_same(&parse_change_record, text);
  check_same(&parse_job_state, text);
  check_active(text);
  check_changes(text);
  check_host(text);
}

}  // namespace fuzz
}  // namespace selvedge::app

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  selvedge::app::fuzz::check(selvedge::base::as_text(std::as_bytes(std::span(data, size))));
  return 0;
}
