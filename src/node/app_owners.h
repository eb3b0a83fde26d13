#pragma once

// Which apps belong to whom: owners/<app>, written when somebody whose token is for an owner
// deploys an app that nobody has. Apps that were made otherwise belong to nobody, and only a token
// that names them, or one for all, may change them.
//
// All functions block: on helper threads, any number at once. Errors of the store pass through.

#include <optional>
#include <string>

#include "base/result.h"
#include "store/store.h"

namespace selvedge::node {

// A view of a store: copies are as good.
class AppOwners {
 public:
  explicit AppOwners(store::Store& store [[clang::lifetimebound]]) noexcept : store_(store) {}

  // nullopt: nobody.
  Result<std::optional<std::string>> owner_of(const std::string& app);
  // Denied: it is not this owner's.
  Result<> check(const std::string& app, const std::string& owner);
  // The same, but an app without an owner that does not exist (`exists` false) becomes theirs: of
  // two who come at once, one gets it.
  Result<> claim(const std::string& app, const std::string& owner, bool exists);
  // The name is free again.
  Result<> forget(const std::string& app);

 private:
  store::Store& store_;
};

}  // namespace selvedge::node
