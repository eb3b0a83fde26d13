#pragma once

// A shard's way to the node's catalog, which lives on the main thread.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "app/app_catalog.h"
#include "app/app_directory.h"
#include "io/reactor.h"
#include "io/remote_task.h"
#include "io/task_scope.h"

namespace selvedge::node {

// One shard's thread.
class ShardDirectory final : public app::AppDirectory {
 public:
  // `here`: the shard's. `main` runs what is asked on the catalog's thread. All outlive this.
  ShardDirectory(io::Reactor& here [[clang::lifetimebound]],
                 io::TaskScope& main [[clang::lifetimebound]],
                 app::AppCatalog& catalog [[clang::lifetimebound]]) noexcept
      : here_(here), main_(main), catalog_(catalog) {}

  io::Task<std::optional<app::ActiveRecord>> find_app(std::string app) override {
    return io::run_on(main_, here_, [&catalog = catalog_, app = std::move(app)] {
      return catalog.find_app(app);
    });
  }
  io::Task<std::shared_ptr<const app::AppVersion>> find_version(
      std::string app, app::VersionNumber version) override {
    return io::run_on(main_, here_, [&catalog = catalog_, app = std::move(app), version] {
      return catalog.find_version(app, version);
    });
  }
  io::Task<std::optional<std::string>> find_domain(std::string domain) override {
    return io::run_on(main_, here_, [&catalog = catalog_, domain = std::move(domain)] {
      return catalog.find_domain(domain);
    });
  }

 private:
  io::Reactor& here_;
  io::TaskScope& main_;
  app::AppCatalog& catalog_;
};

}  // namespace selvedge::node
