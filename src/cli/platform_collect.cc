#include "app/json_reader.h"
#include "base/format.h"
#include "cli/admin_client.h"
#include "cli/messages.h"
#include "cli/platform.h"

namespace selvedge::cli {
namespace {

std::string describe_bytes(std::uint64_t bytes) {
  constexpr std::uint64_t kKibi = 1024;
  return bytes < kKibi * kKibi ? fmt::format("{} KiB", (bytes + kKibi - 1) / kKibi)
                               : fmt::format("{:.1f} MiB", static_cast<double>(bytes) /
                                                               static_cast<double>(kKibi * kKibi));
}

void print_report(const nlohmann::json& report) {
  const auto count = [&report](const char* name) { return report.value(name, std::uint64_t{0}); };
  fmt::print("{} {} blobs ({}), {} old versions, {} unfinished uploads; {} blobs are needed",
             report.value("dry_run", false) ? "Would remove" : "Removed", count("blobs"),
             describe_bytes(count("bytes")), count("versions"), count("uploads"),
             count("kept_blobs"));
  if (count("waiting_blobs") > 0) {
    fmt::print(", {} stay since a deploy had them lately", count("waiting_blobs"));
  }
  fmt::print("\n");
}

}  // namespace

int run_collect(const ClusterCommand& command) {
  return run_client(
      [&command]() -> Result<> {
        SELVEDGE_TRY(auto client, AdminClient::create(command.socket));
        SELVEDGE_TRY(const nlohmann::json report,
                     client.post("/v1/store/collect", {{"dry_run", command.dry_run}}));
        if (command.output.json) {
          fmt::print("{}\n", app::json_text(report));
        } else if (!command.output.quiet) {
          print_report(report);
        }
        return {};
      },
      {.json = command.output.json, .quiet = command.output.quiet});
}

}  // namespace selvedge::cli
