#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "app/app_config.h"
#include "app/manifest.h"
#include "base/format.h"

// Goal: every field that Wasmer documents for wasmer.toml and app.yaml is read without an error,
// and either has an effect or a warning that says it has none here: nothing is dropped in silence.
// Method: one row a field, with a value that differs from the default. What an effect is in a
// running program is tested where it belongs (tests/e2e/package_test.py, tests/e2e/node_test.py).

namespace selvedge::app {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// What a manifest says beside the field under test.
constexpr std::string_view kModule = "[[module]]\nname = \"main\"\nsource = \"bin/main.wasm\"\n";
constexpr std::string_view kCommand = "[[command]]\nname = \"serve\"\nmodule = \"main\"\n";

struct ManifestField {
  std::string_view name;
  std::string text;
  // Null: there must be the warning.
  bool (*effect)(const Manifest& manifest);
  std::string_view warning = "";
};

const ManifestCommand& first(const Manifest& manifest) { return manifest.commands.front(); }

std::string package_field(std::string_view line) { return fmt::format("[package]\n{}\n", line); }
std::string module_field(std::string_view line) { return fmt::format("{}{}\n", kModule, line); }
std::string command_field(std::string_view line) {
  return fmt::format("{}{}{}\n", kModule, kCommand, line);
}

std::vector<ManifestField> package_fields() {
  return {
      {"package.name", package_field("name = \"ada/engine\""),
       [](const Manifest& m) { return m.name == "ada/engine"; }},
      {"package.version", package_field("version = \"0.7.2\""),
       [](const Manifest& m) { return m.version == "0.7.2"; }},
      {"package.description", package_field("description = \"Weaves\""),
       [](const Manifest& m) { return m.description == "Weaves"; }},
      {"package.license", package_field("license = \"MIT\""),
       [](const Manifest& m) { return m.license == "MIT"; }},
      {"package.license-file", package_field("license-file = \"./COPYING\""),
       [](const Manifest& m) { return m.license_file == "./COPYING"; }},
      {"package.readme", package_field("readme = \"./ABOUT.md\""),
       [](const Manifest& m) { return m.readme == "./ABOUT.md"; }},
      {"package.repository", package_field("repository = \"https://example.com/git\""),
       [](const Manifest& m) { return m.repository == "https://example.com/git"; }},
      {"package.homepage", package_field("homepage = \"https://example.com\""),
       [](const Manifest& m) { return m.homepage == "https://example.com"; }},
      {"package.private", package_field("private = true"),
       [](const Manifest& m) { return m.is_private; }},
      {"package.entrypoint",
       fmt::format("[package]\nentrypoint = \"serve\"\n{}{}", kModule, kCommand),
       [](const Manifest& m) { return m.entrypoint == "serve"; }},
      {"package.wasmer-extra-flags", package_field("wasmer-extra-flags = \"--x\""), nullptr,
       "package.wasmer-extra-flags has no effect here"},
      {"package.disable-command-rename", package_field("disable-command-rename = true"), nullptr,
       "package.disable-command-rename has no effect here"},
      {"package.rename-commands-to-raw-command-name",
       package_field("rename-commands-to-raw-command-name = true"), nullptr,
       "package.rename-commands-to-raw-command-name has no effect here"},
      {"dependencies", "[dependencies]\n\"ada/loom\" = \"^1.2\"\n",
       [](const Manifest& m) {
         return m.dependencies.front().name == "ada/loom" &&
                m.dependencies.front().version == "^1.2";
       }},
      {"fs", "[fs]\n\"/srv/\" = \"./public\"\n",
       [](const Manifest& m) {
         return m.mounts.front().guest == "/srv" && m.mounts.front().host == "./public";
       }},
  };
}

std::vector<ManifestField> module_and_command_fields() {
  return {
      {"module.name, module.source", std::string(kModule),
       [](const Manifest& m) {
         return m.modules.front().name == "main" && m.modules.front().source == "bin/main.wasm";
       }},
      {"[module], not [[module]]", "[module]\nname = \"main\"\nsource = \"./main.wasm\"\n",
       [](const Manifest& m) { return m.modules.size() == 1; }, "write [[module]]"},
      {"module.abi", module_field("abi = \"wasm4\""), nullptr,
       "module.abi \"wasm4\" has no effect"},
      {"module.kind", module_field("kind = \"wasm\""), nullptr, "module.kind has no effect here"},
      {"module.interfaces", module_field("interfaces = {wasi = \"0.1.0-unstable\"}"), nullptr,
       "module.interfaces has no effect here"},
      {"module.bindings",
       module_field("[module.bindings]\nwai-version = \"0.2.0\"\nexports = \"m.wai\"\n"
                    "imports = [\"i.wai\"]"),
       nullptr, "module.bindings has no effect here"},
      {"command.name, command.module", command_field(""),
       [](const Manifest& m) { return first(m).name == "serve" && first(m).module == "main"; }},
      {"command.module of a dependency",
       "[dependencies]\n\"ada/loom\" = \"1\"\n[[command]]\nname = \"c\"\nmodule = \"ada/loom:x\"\n",
       [](const Manifest& m) {
         return first(m).dependency == "ada/loom" && first(m).module == "x";
       }},
      {"command.runner", command_field("runner = \"https://webc.org/runner/wcgi\""),
       [](const Manifest& m) { return first(m).runner == RunnerKind::kWcgi; }},
      {"command.runner emscripten", command_field("runner = \"emscripten\""),
       [](const Manifest& m) { return first(m).foreign_runner == "emscripten"; },
       "the command \"serve\" cannot be run: the runner \"emscripten\" is not supported"},
      {"command.main_args", command_field("main_args = \"-a b\""),
       [](const Manifest& m) { return first(m).main_args.size() == 2; },
       "command.main_args is deprecated"},
      {"annotations.wasi.main-args",
       command_field("[command.annotations.wasi]\nmain-args = [\"-p\"]"),
       [](const Manifest& m) { return first(m).main_args == std::vector<std::string>{"-p"}; }},
      {"annotations.wasi.env", command_field("[command.annotations.wasi]\nenv = [\"LOG=debug\"]"),
       [](const Manifest& m) { return first(m).env.front().second == "debug"; }},
      {"annotations.wasi.env without a value",
       command_field("[command.annotations.wasi]\nenv = [\"HOME: /x\"]"), nullptr,
       "\"HOME: /x\" is not an environment entry: write NAME=VALUE; it is not used"},
      {"annotations.wasi.exec-name",
       command_field("[command.annotations.wasi]\nexec-name = \"loom\""),
       [](const Manifest& m) { return first(m).exec_name == "loom"; }},
      {"annotations.wasi.atom", command_field("[command.annotations.wasi]\natom = \"main\""),
       [](const Manifest& m) { return first(m).module == "main"; }},
      {"annotations.wasi.package",
       fmt::format("[dependencies]\n\"a/b\" = \"1\"\n{}{}[command.annotations.wasi]\n"
                   "package = \"a/b\"\natom = \"x\"\n",
                   kModule, kCommand),
       [](const Manifest& m) { return first(m).dependency == "a/b" && first(m).module == "x"; }},
      {"annotations.file, annotations.kind",
       command_field("annotations = {file = \"of.yaml\", kind = \"yaml\"}"),
       [](const Manifest& m) { return first(m).exec_name == "of.yaml"; }},
      {"[command.annotations] with a file of JSON",
       command_field("[command.annotations]\nfile = \"of.json\"\nkind = \"json\""),
       [](const Manifest& m) { return first(m).exec_name == "of.json"; }},
      {"annotations.wcgi.dialect", command_field("[command.annotations.wcgi]\ndialect = \"wcgi\""),
       nullptr, "command.annotations.wcgi.dialect \"wcgi\" has no effect here"},
      {"annotations.emscripten",
       command_field("[command.annotations.emscripten]\nmain-args = [\"-x\"]"), nullptr,
       "command.annotations.emscripten has no effect here"},
      {"a key of a later version", "loom = true\n", nullptr, "unknown key loom is not used"},
  };
}

// The files of annotations that a manifest here may name.
Result<std::string> annotation_file(const std::string& path) {
  if (path == "of.json") {
    return R"({"wasi": {"exec-name": "of.json"}})";
  }
  return "wasi:\n  exec-name: of.yaml\n";
}

TEST(DocumentedFields, OfWasmerToml_HaveAnEffectOrAWarning) {
  auto fields = package_fields();
  std::ranges::move(module_and_command_fields(), std::back_inserter(fields));
  for (const ManifestField& field : fields) {
    const auto parsed = parse_manifest(field.text, "wasmer.toml", annotation_file);
    ASSERT_TRUE(parsed.has_value()) << field.name << ": " << parsed.error().message();
    if (field.effect != nullptr) {
      EXPECT_TRUE(field.effect(*parsed)) << field.name;
    }
    if (field.warning.empty()) {
      EXPECT_TRUE(parsed->warnings.empty()) << field.name << ": " << parsed->warnings.front();
    } else {
      EXPECT_THAT(parsed->warnings, Contains(HasSubstr(std::string(field.warning)))) << field.name;
    }
  }
}

struct AppField {
  std::string_view key;  // as of a warning
  std::string_view text;
  // Null: that it is known is tested here; its effect, or the warning, elsewhere.
  bool (*effect)(const AppConfig& config) = nullptr;
};

constexpr AppField kAppFields[] = {
    {"name", "name: my-site", [](const AppConfig& c) { return c.name == "my-site"; }},
    {"package", "package: ada/loom@1.2",
     [](const AppConfig& c) { return c.package == "ada/loom@1.2"; }},
    {"package", "package: sha256:0123",
     [](const AppConfig& c) { return c.package == "sha256:0123"; }},
    {"domains", "domains:\n  - www.example.com",
     [](const AppConfig& c) { return c.domains.size() == 1; }},
    {"env", "env:\n  NAME: \"value 1\"",
     [](const AppConfig& c) { return c.environment.front().second == "value 1"; }},
    {"cli_args", "cli_args:\n  - -m\n  - --debug",
     [](const AppConfig& c) { return c.arguments.size() == 2; }},
    {"scaling.mode", "scaling:\n  mode: single_concurrency",
     [](const AppConfig& c) { return c.scaling.single_concurrency; }},
    {"locality.regions", "locality:\n  regions:\n  - de-here",
     [](const AppConfig& c) { return c.regions.size() == 1; }},
    {"capabilities.memory", "capabilities:\n  memory:\n    limit: 512MiB",
     [](const AppConfig& c) { return c.memory_bytes_max == std::uint64_t{512} << 20; }},
    {"app_id", "app_id: da_1"},
    {"owner", "owner: ada"},
    {"description", "description: A site"},
    {"debug", "debug: true"},
    {"enable_email", "enable_email: true"},
    {"vault", "vault: v"},
    {"redirect", "redirect:\n  force_https: true",
     [](const AppConfig& c) { return c.force_https; }},
    {"volumes", "volumes:\n  - name: data\n    mount: /data"},
    {"scheduled_tasks", "scheduled_tasks:\n  - name: x"},
    {"health_checks",
     "health_checks:\n  - http:\n      method: get\n      path: /ok\n      interval: 20s\n"
     "      timeout: 5s\n      unhealthy_threshold: 3\n      healthy_threshold: 1\n"
     "      expected_status_codes:\n        - 204\n      expected_body_includes: fine\n"
     "      expected_body_regex: \".*fine.*\""},
    {"jobs",
     "jobs:\n  - name: nightly\n    trigger: '*/10 * * * *'\n    timeout: 5m\n    retries: 2\n"
     "    action:\n      fetch:\n        path: /run\n        timeout: '2m'\n        headers:\n"
     "          - name: Accept\n            value: text/plain"},
    {"jobs",
     "jobs:\n  - name: setup\n    trigger: post-deployment\n    action:\n      execute:\n"
     "        command: install\n        cli_args: [\"--now\"]\n        env:\n          LEVEL: LOW"},
    {"capabilities.runtime", "capabilities:\n  runtime:\n    engine: cranelift"},
    {"capabilities.instaboot",
     "capabilities:\n  instaboot:\n    max_age: 6h\n    requests:\n      - path: /\n"
     "        method: POST\n        body: \"{}\"\n        headers:\n          - name: X-A\n"
     "            value: b"},
    {"capabilities.database", "capabilities:\n  database:\n    engine: mysql"},
    {"capabilities.cdn_cache", "capabilities:\n  cdn_cache:\n    enabled: true"},
    {"capabilities.ssh",
     "capabilities:\n  ssh:\n    enabled: true\n    users:\n      - username: ada\n"
     "        passwords:\n          - type: plain\n            password: \"secret\"\n"
     "        authorized_keys:\n          - \"ssh-ed25519 AAAA\""},
};

TEST(DocumentedFields, OfAppYaml_AreKnown) {
  for (const AppField& field : kAppFields) {
    const auto parsed =
        parse_app_config(fmt::format("kind: wasmer.io/App.v0\n{}\n", field.text), "app.yaml");
    ASSERT_TRUE(parsed.has_value()) << field.text << ": " << parsed.error().message();
    EXPECT_TRUE(parsed->unknown.empty()) << field.text << ": " << parsed->unknown.front();
    if (field.effect != nullptr) {
      EXPECT_TRUE(field.effect(*parsed)) << field.text;
    }
  }
}

TEST(DocumentedFields, AStreamOfOneDocument_IsRead) {
  EXPECT_TRUE(parse_app_config("---\nkind: wasmer.io/App.v0\nname: a\n", "app.yaml").has_value());
}

}  // namespace
}  // namespace selvedge::app
