#pragma once

// Where a shard learns which apps there are: asked for what it does not know, and told what to
// forget. AppCatalog answers for the whole node.

#include <memory>
#include <optional>
#include <string>

#include "app/app_records.h"
#include "app/app_version.h"
#include "io/task.h"

namespace selvedge::app {

// One shard's; its thread only. Errors: kDisconnected, kTimeout, kOverloaded (the store cannot be
// reached, or too much is asked at once), kInternal; what find_version says of a version that
// cannot run.
class AppDirectory {
 public:
  virtual ~AppDirectory() = default;

  // nullopt: no such app, or none of its versions is active.
  virtual io::Task<std::optional<ActiveRecord>> find_app(std::string app) = 0;
  // Fetched and compiled, which may take seconds. kNotFound.
  virtual io::Task<std::shared_ptr<const AppVersion>> find_version(std::string app,
                                                                   VersionNumber version) = 0;
  // The app that a domain name belongs to.
  virtual io::Task<std::optional<std::string>> find_domain(std::string domain) = 0;
};

}  // namespace selvedge::app
