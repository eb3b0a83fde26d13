#pragma once

#include <string>

#include "engine/engine.h"

namespace selvedge::node {

// What the engine counts for all guests of the node, in Prometheus's text format. Any thread.
std::string expose_engine_metrics(engine::Engine& engine);

}  // namespace selvedge::node
