#include "node/node_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace selvedge::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

std::string error_of(std::string_view text) {
  NodeOptions options;
  const auto read = read_node_config(text, "node.toml", "/etc", options);
  return read.has_value() ? "no error" : read.error().message();
}

constexpr std::string_view kEveryKey = R"(
data = "/data"
domain = "Apps.Example.com"
[http]
listen = ":80"
access_log = true
proxy_headers = "forwarded"
trusted_proxies = ["10.0.0.0/8", "::1"]
[log]
level = "warning"
[store.s3]
endpoint = "https://s3.example.com"
region = "eu"
bucket = "things"
addressing = "virtual-host"
access_key_file = "access"
secret_key_file = "/run/secret"
ca_file = "ca.pem"
[store]
versions_kept = 7
collect_interval = "6h"
collect_grace = "2h"
[admin]
listen = ":7443"
certificate_file = "admin.pem"
key_file = "/k.pem"
[limits]
artifact_cache_bytes = "6MiB"
shards = 3
instances = 77
memory = "3GiB"
drain_time = "2m"
blob_cache_bytes = "5MiB"
[packages]
require_signatures = true
[publishers]
ada = ["d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"]
)";

TEST(NodeConfigTest, EveryKey_IsTaken) {
  NodeOptions options;
  const auto read = read_node_config(kEveryKey, "node.toml", "/etc", options);
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(options.data_folder, "/data");
  EXPECT_EQ(options.domain, "apps.example.com");
  EXPECT_EQ(options.http.port(), 80);
  EXPECT_TRUE(options.http_every_interface);
  EXPECT_TRUE(options.access_log);
  EXPECT_TRUE(options.trusted_proxies.contains(*io::IpAddress::parse("10.1.2.3")));
  EXPECT_EQ(options.trusted_proxies.fields(), gateway::TrustedProxies::Fields::kForwarded);
  EXPECT_EQ(options.log_level, log::Level::kWarning);
  ASSERT_TRUE(options.s3.has_value());
  EXPECT_EQ(options.s3->endpoint, "https://s3.example.com");
  EXPECT_EQ(options.s3->region, "eu");
  EXPECT_EQ(options.s3->bucket, "things");
  EXPECT_EQ(options.s3->addressing, store::S3Addressing::kVirtualHost);
  EXPECT_EQ(options.s3->access_key_file, "/etc/access");
  EXPECT_EQ(options.s3->secret_key_file, "/run/secret");
  EXPECT_EQ(options.s3->ca_file, "/etc/ca.pem");
  ASSERT_TRUE(options.admin.has_value());
  EXPECT_EQ(options.admin->address.port(), 7443);
  EXPECT_TRUE(options.admin->every_interface);
  EXPECT_EQ(options.admin->certificate_file, "/etc/admin.pem");
  EXPECT_EQ(options.admin->key_file, "/k.pem");
  EXPECT_EQ(options.shards, 3U);
  EXPECT_EQ(options.instances_max, 77U);
  EXPECT_EQ(options.memory_bytes_max, std::uint64_t{3} << 30);
  EXPECT_EQ(options.drain_time_max, std::chrono::minutes(2));
  EXPECT_EQ(options.blob_cache_bytes_max, std::uint64_t{5} << 20);
  EXPECT_EQ(options.artifact_cache_bytes_max, std::uint64_t{6} << 20);
  EXPECT_EQ(options.versions_kept, 7U);
  EXPECT_EQ(options.collect_interval, std::chrono::hours(6));
  EXPECT_EQ(options.collect_grace, std::chrono::hours(2));
  EXPECT_TRUE(options.publishers.signatures_required);
  EXPECT_THAT(options.publishers.keys,
              ElementsAre(Pair("ada", ElementsAre(StartsWith("d75a980182b10ab7")))));
}

TEST(NodeConfigTest, EmptyFile_ChangesNothing) {
  NodeOptions options;
  options.domain = "before.example";
  options.store_folder = "before";
  ASSERT_TRUE(read_node_config("", "node.toml", "/etc", options).has_value());
  EXPECT_EQ(options.domain, "before.example");
  EXPECT_EQ(options.store_folder, "before");
  EXPECT_FALSE(options.s3.has_value());
}

TEST(NodeConfigTest, RelativePath_IsTakenFromTheFilesFolder) {
  NodeOptions options;
  ASSERT_TRUE(read_node_config("data = \"d\"\nstore = { path = \"s\" }", "n", "/etc/x", options));
  EXPECT_EQ(options.data_folder, "/etc/x/d");
  EXPECT_EQ(options.store_folder, "/etc/x/s");
}

TEST(NodeConfigTest, UnknownKey_NamesItsPlaceAndTheNearestKey) {
  EXPECT_EQ(error_of("\n[http]\nlisen = \":80\""),
            "node.toml:3:1: unknown key http.lisen: did you mean http.listen?");
  EXPECT_EQ(error_of("listen = \":80\""),
            "node.toml:1:1: unknown key listen: did you mean http.listen?");
  EXPECT_EQ(error_of("[store.s3]\nbuckets = \"b\""),
            "node.toml:2:1: unknown key store.s3.buckets: did you mean store.s3.bucket?");
  EXPECT_EQ(error_of("colour = \"red\""),
            "node.toml:1:1: unknown key colour (docs/node-config.md has all)");
  EXPECT_EQ(error_of("[htp]\nlisten = \":80\""),
            "node.toml:1:2: unknown key htp (docs/node-config.md has all)");
}

TEST(NodeConfigTest, WrongTypeOrRange_NamesItsPlace) {
  EXPECT_EQ(error_of("data = 5"), "node.toml:1:8: data must be a path (a string)");
  EXPECT_EQ(error_of("http = 5"), "node.toml:1:8: http must be a table ([http])");
  EXPECT_EQ(error_of("http.access_log = \"yes\""),
            "node.toml:1:19: http.access_log must be true or false");
  EXPECT_EQ(error_of("limits.shards = 0"), "node.toml:1:17: limits.shards must be 1 to 1024");
  EXPECT_EQ(error_of("limits.shards = -1"), "node.toml:1:17: limits.shards must be 1 to 1024");
  EXPECT_EQ(error_of("limits.shards = \"2\""), "node.toml:1:17: limits.shards must be an integer");
  EXPECT_THAT(error_of("limits.drain_time = \"soon\""),
              StartsWith("node.toml:1:21: limits.drain_time: \"soon\" is not a duration"));
  EXPECT_THAT(error_of("limits.blob_cache_bytes = \"9000000GiB\""),
              StartsWith("node.toml:1:27: limits.blob_cache_bytes must be "));
  EXPECT_THAT(error_of("http.listen = \"x:y\""),
              StartsWith("node.toml:1:15: http.listen: \"x:y\" is not an address"));
  EXPECT_EQ(
      error_of("http.trusted_proxies = [\"::1\", \"10.1.0.0/8\"]"),
      "node.toml:1:24: http.trusted_proxies: \"10.1.0.0/8\" has bits behind its prefix: write "
      "10.0.0.0/8");
  EXPECT_EQ(error_of("http.trusted_proxies = \"::1\""),
            "node.toml:1:24: http.trusted_proxies must be an array of strings");
  EXPECT_THAT(error_of("http.proxy_headers = \"both\"\nhttp.trusted_proxies = [\"::1\"]"),
              HasSubstr("\"both\" is not one of \"x-forwarded\" and \"forwarded\""));
  EXPECT_EQ(error_of("http.proxy_headers = \"forwarded\""),
            "node.toml:1:6: http.proxy_headers is of no use without http.trusted_proxies");
  EXPECT_THAT(error_of("store.kind = \"disk\""), HasSubstr("is no kind of store"));
  EXPECT_THAT(error_of("data = \"\""), HasSubstr("data must not be empty"));
  EXPECT_EQ(error_of("publishers.ada = 1"),
            "node.toml:1:18: publishers.OWNER must be an array of strings");
  EXPECT_THAT(error_of("publishers.ada = [\"x\"]"), HasSubstr("is not a publisher's key"));
  EXPECT_THAT(error_of("publishers.ada = []"), HasSubstr("there must be 1 to 16 keys"));
  EXPECT_THAT(error_of("publishers.Ada = [\"x\"]"), HasSubstr("is not the owner of packages"));
}

TEST(NodeConfigTest, NotToml_NamesItsPlace) {
  EXPECT_THAT(error_of("data = \"/x\"\nhttp ="), StartsWith("node.toml:2:"));
}

TEST(NodeConfigTest, StoreThatContradictsItself_IsRefused) {
  EXPECT_THAT(error_of("[store]\nkind = \"directory\"\n[store.s3]\nbucket = \"b\""),
              HasSubstr("node.toml:3:8: [store.s3] is for store.kind = \"s3\""));
  EXPECT_THAT(error_of("store.kind = \"s3\"\nstore.path = \"x\""),
              HasSubstr("store.path is for store.kind = \"directory\""));
  EXPECT_EQ(error_of("[store.s3]\nendpoint = \"http://x\""),
            "node.toml:1:8: store.s3.bucket is missing: add bucket = \"…\" to [store.s3]");
  EXPECT_THAT(error_of("[store]\nkind = \"s3\""), HasSubstr("store.s3.endpoint is missing"));
  EXPECT_THAT(error_of("[store.s3]\nendpoint = \"http://x\"\nbucket = \"b\"\n"
                       "access_key_file = \"a\""),
              HasSubstr("go together"));
}

TEST(NodeConfigTest, Changes_TakeEffectOrNeedARestart) {
  const auto read = [](std::string_view text) {
    NodeOptions options;
    EXPECT_TRUE(read_node_config(text, "node.toml", "/etc", options).has_value());
    return options;
  };
  NodeOptions running = read("data = \"a\"\n[limits]\ndrain_time = \"5s\"\nshards = 2");
  const NodeOptions changed =
      read("data = \"b\"\n[limits]\nshards = 3\n[http]\naccess_log = true\n[log]\nlevel = \"off\"");
  const ConfigChanges changes = take_changes(running, changed);
  EXPECT_THAT(changes.now, ElementsAre("http.access_log", "log.level", "limits.drain_time"));
  EXPECT_THAT(changes.later, ElementsAre("data", "limits.shards"));
  EXPECT_TRUE(running.access_log);
  EXPECT_EQ(running.log_level, log::Level::kOff);
  EXPECT_EQ(running.drain_time_max, NodeOptions().drain_time_max);
  EXPECT_EQ(running.shards, 2U);
  // What has not taken effect is told again.
  EXPECT_THAT(take_changes(running, changed).now, ElementsAre());
  EXPECT_THAT(take_changes(running, changed).later, ElementsAre("data", "limits.shards"));
}

TEST(NodeConfigTest, AnotherPublisher_NeedsARestart) {
  const std::string key = "[\"" + std::string(64, 'a') + "\"]";
  const auto read = [](const std::string& text) {
    NodeOptions options;
    EXPECT_TRUE(read_node_config(text, "n", "/etc", options).has_value()) << text;
    return options;
  };
  NodeOptions running = read("publishers.ada = " + key);
  const NodeOptions same = read("[publishers]\nada = " + key);
  EXPECT_THAT(take_changes(running, same).later, ElementsAre());
  const NodeOptions more = read("[publishers]\nada = " + key + "\nbob = " + key);
  EXPECT_THAT(take_changes(running, more).later, ElementsAre("publishers.OWNER"));
  EXPECT_THAT(take_changes(running, NodeOptions()).later, ElementsAre("publishers.OWNER"));
}

// SELVEDGE_WRITE_REFERENCE=1 in the environment of this program writes the file anew.
TEST(NodeConfigTest, CommittedReference_IsWhatTheTableSays) {
  const std::string path = std::string(SELVEDGE_SOURCE_FOLDER) + "/docs/node-config.md";
  if (std::getenv("SELVEDGE_WRITE_REFERENCE") != nullptr) {
    std::ofstream(path) << node_config_reference();
  }
  std::stringstream committed;
  committed << std::ifstream(path).rdbuf();
  EXPECT_EQ(committed.str(), node_config_reference())
      << "run this test with SELVEDGE_WRITE_REFERENCE=1 and commit " << path;
}

}  // namespace
}  // namespace selvedge::node
