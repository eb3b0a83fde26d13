#pragma once

// What tests of the admin API stand on: a store on this disk, a catalog, simulated time. A fixture
// adds what it is about to options() and makes its AdminApi of that.

#include <gtest/gtest.h>

#include "app/app_catalog.h"
#include "app/testing/app_world.h"
#include "io/testing/simulation.h"
#include "node/admin_api.h"
#include "store/testing/store_world.h"

namespace selvedge::node::testing {

class AdminWorld : public ::testing::Test {
 protected:
  AdminApi::Options options() {
    return {.reactor = host_.reactor(),
            .store = world_.apps(),
            .secrets = world_.secrets(),
            .packages = world_.packages(),
            .blobs = world_.blob_files(),
            .loader = world_.loader(),
            .catalog = catalog_,
            .store_helpers = helpers_,
            .compile_helpers = helpers_,
            .upload_folder = folder_.path(),
            .address = address_};
  }

  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  io::testing::SimulatedHelperPool helpers_{simulation_};
  app::testing::AppWorld world_{simulation_.clock()};
  store::testing::TemporaryFolder folder_;
  PublicAddress address_{.domain = "apps.example.com", .port = 80};
  app::AppCatalog catalog_{host_.reactor(),
                           {.store = world_.apps(),
                            .loader = world_.loader(),
                            .store_helpers = helpers_,
                            .compile_helpers = helpers_}};
};

}  // namespace selvedge::node::testing
