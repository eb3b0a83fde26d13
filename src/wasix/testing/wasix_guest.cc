#include "wasix/testing/wasix_guest.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/assert.h"
#include "wasix/host_functions.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix::testing {

std::shared_ptr<const engine::LinkedModule> link_wasix_trampolines(
    Machine& machine, std::initializer_list<std::string_view> names) {
  std::vector<ImportSignature> imports;
  std::ranges::copy_if(preview1_imports(), std::back_inserter(imports),
                       [](const auto& import) { return import.name != "sock_accept"; });
  std::ranges::copy_if(wasix_imports(), std::back_inserter(imports), [names](const auto& import) {
    return std::ranges::find(names, import.name) != names.end();
  });
  auto linked = machine.link_wat(trampoline_wat(kWasixModule, imports));
  SELVEDGE_ASSERT(linked.has_value());
  return *std::move(linked);
}

}  // namespace selvedge::wasix::testing
