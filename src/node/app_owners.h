#pragma once

// Which apps belong to whom: owners/<app>, written when somebody whose token is for an owner
// deploys an app that nobody has. Apps that were made otherwise belong to nobody, and only a token
// that names them, or one for all, may change them.
//
// A name is taken by a version of the app and by nothing less. The document is written right before
// the first version, as a claim, and confirmed right after it; a claim without a version, which a
// deploy leaves that fails or dies in between, stops nobody. Each step is a compare-and-swap of the
// document: of two who deploy a new app at once, one confirms, and the other is told so.
//
// All functions block: on helper threads, any number at once. Errors of the store pass through.

#include <optional>
#include <string>

#include "app/app_store.h"
#include "base/result.h"
#include "store/store.h"

namespace selvedge::node {

// A view of a store: copies are as good.
class AppOwners {
 public:
  explicit AppOwners(app::AppStore& apps [[clang::lifetimebound]]) noexcept : apps_(apps) {}

  // Of an app that has a version. nullopt: nobody.
  Result<std::optional<std::string>> owner_of(const std::string& app);
  // Denied: it is not this owner's.
  Result<> check(const std::string& app, const std::string& owner);
  // Denied: it is not this owner's, and not free. Changes nothing.
  Result<> check_deploy(const std::string& app, const std::string& owner);
  // Right before a version is created: what is free becomes the owner's, if a version follows.
  // Denied as check_deploy().
  Result<> claim(const std::string& app, const std::string& owner);
  // After claim() and a version: it is the owner's until forget(). Denied: somebody else came first
  // after all, and the version must go again.
  Result<> confirm(const std::string& app, const std::string& owner);
  // The name is free again.
  Result<> forget(const std::string& app);

 private:
  struct Record;
  Result<std::optional<Record>> find(const std::string& app);
  // Of an app with that record (nullopt: none): whether another may have the name.
  Result<bool> is_free(const std::string& app, const std::optional<Record>& record);
  enum class Standing : unsigned char { kTheirs, kFree, kTaken };
  // `record`: what was found first, which a claim of what is free must find unchanged.
  Result<Standing> standing(const std::string& app, const std::string& owner,
                            std::optional<Record>& record);

  app::AppStore& apps_;
};

}  // namespace selvedge::node
