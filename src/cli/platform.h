#pragma once

// What `node`, `deploy` and `app` do. Each returns the exit code, and says itself what went wrong.

#include "cli/platform_options.h"

namespace selvedge::cli {

// Until a signal ends it. Main thread, before any other exists.
int run_node_command(const NodeCommand& command);
int run_deploy(const DeployCommand& command);
int run_app_command(const AppCommand& command);
int run_cluster_command(const ClusterCommand& command);
int run_collect(const ClusterCommand& command);
int run_access_command(const AccessCommand& command);

}  // namespace selvedge::cli
