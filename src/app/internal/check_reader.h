#pragma once

// The requests of health_checks and jobs in app.yaml.

#include <string_view>
#include <vector>

#include "app/health_check_config.h"
#include "app/http_check.h"
#include "app/internal/yaml_reader.h"
#include "app/job_config.h"

namespace selvedge::app::internal {

// Of one mapping with path, method, headers, body, timeout and what is expected.
Result<HttpCheck> read_http_check(const YamlFile& file, YamlMap& map);
// `health_checks` of the document.
Result<std::vector<HealthCheckConfig>> read_health_checks(const YamlFile& file, YamlMap& root);
// `jobs` of the document. `own_package`: what it names as the app's package.
Result<std::vector<JobConfig>> read_jobs(const YamlFile& file, YamlMap& root,
                                         std::string_view own_package);

}  // namespace selvedge::app::internal
