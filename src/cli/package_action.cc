#include "base/format.h"
#include "cli/admin_client.h"
#include "cli/messages.h"
#include "cli/package_client.h"
#include "cli/package_files.h"
#include "cli/package_options.h"

namespace selvedge::cli {
namespace {

Result<> perform(const PackageAction& action) {
  switch (action.verb) {
    case PackageAction::Verb::kBuild:
      return build_package_file(action);
    case PackageAction::Verb::kInspect:
      return inspect_package_file(action);
    case PackageAction::Verb::kPublish:
      return publish_package(action);
    case PackageAction::Verb::kPull:
      return pull_package(action);
    case PackageAction::Verb::kList:
      return list_packages(action);
    case PackageAction::Verb::kInfo:
      return describe_package(action);
    case PackageAction::Verb::kKeygen:
      return make_publisher_key(action);
  }
  return fail(ErrorKind::kInternal, "no such command");
}

}  // namespace

int run_package_action(const PackageAction& action) {
  return run_client([&action] { return perform(action); }, {.json = action.output.json});
}

}  // namespace selvedge::cli
