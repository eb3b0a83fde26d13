#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace selvedge::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

const ParseContext kContext{.host_variable = [](const std::string& name) {
  return name == "LANG" ? std::optional<std::string>("C.UTF-8") : std::nullopt;
}};

Result<Invocation> parse(const std::vector<std::string>& arguments) {
  return parse_command_line(arguments, kContext);
}
RunOptions run(const std::vector<std::string>& arguments) {
  auto parsed = parse(arguments);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_TRUE(std::holds_alternative<RunOptions>(*parsed));
  return std::get<RunOptions>(*std::move(parsed));
}
std::string message(const std::vector<std::string>& arguments) {
  const auto parsed = parse(arguments);
  return parsed.has_value() ? "no error" : parsed.error().message();
}

TEST(CommandLine, TargetAlone_HasDefaults) {
  const RunOptions options = run({"run", "a.wasm"});
  EXPECT_EQ(options.target, "a.wasm");
  EXPECT_TRUE(options.arguments.empty());
  EXPECT_FALSE(options.http.has_value());
}

TEST(CommandLine, AfterDashes_EverythingBelongsToTheProgram) {
  const RunOptions options =
      run({"run", "--dir", ".", "a.wasm", "--", "--help", "-c", "x y", "--", "run", ""});
  EXPECT_THAT(options.arguments, ElementsAre("--help", "-c", "x y", "--", "run", ""));
}

TEST(CommandLine, PlainWordsAfterTheTarget_AreArguments) {
  EXPECT_THAT(run({"run", "a.wasm", "one", "two", "--", "-3"}).arguments,
              ElementsAre("one", "two", "-3"));
}

TEST(CommandLine, Net_AloneIsThePublicInternetAndTakesNoValue) {
  const RunOptions options = run({"run", "--net", "a.wasm", "--", "--net"});
  EXPECT_EQ(options.target, "a.wasm");
  EXPECT_THAT(options.arguments, ElementsAre("--net"));
  ASSERT_TRUE(options.net.has_value());
  EXPECT_TRUE(options.net->allows(*io::IpAddress::parse("8.8.8.8"), 443));
  EXPECT_FALSE(options.net->allows(*io::IpAddress::parse("10.0.0.1"), 443));
  EXPECT_FALSE(run({"run", "a.wasm"}).net.has_value());
}

TEST(CommandLine, Net_ValuesAddUp) {
  const RunOptions options = run({"run", "--net=10.0.0.0/8:80,a.example", "--net=[fd00::1]", "t"});
  EXPECT_TRUE(options.net->allows(*io::IpAddress::parse("10.0.0.1"), 80));
  EXPECT_TRUE(options.net->allows(*io::IpAddress::parse("fd00::1"), 80));
  EXPECT_TRUE(options.net->allows_name("a.example"));
  EXPECT_THAT(message({"run", "--net=10.0.0.5/8", "t"}), StartsWith("--net: \"10.0.0.5/8\": "));
}

TEST(CommandLine, NetLimits_AreParsed) {
  const RunOptions options =
      run({"run", "--net", "--net-socket-limit", "16", "--net-byte-limit", "1GiB", "t"});
  EXPECT_EQ(options.net_limits.sockets_max, 16U);
  EXPECT_EQ(options.net_limits.bytes_max, std::uint64_t{1} << 30);
  EXPECT_EQ(run({"run", "t"}).net_limits.sockets_max, 256U);
  EXPECT_FALSE(run({"run", "t"}).net_limits.bytes_max.has_value());
  EXPECT_THAT(message({"run", "--net-socket-limit", "0", "t"}), HasSubstr("from 1 to 16384"));
  EXPECT_THAT(message({"run", "--net-socket-limit", "x", "t"}), HasSubstr("net-socket-limit"));
  EXPECT_THAT(message({"run", "--net-byte-limit", "much", "t"}), StartsWith("--net-byte-limit: "));
}

TEST(CommandLine, Dns_TakesAddressesWithOrWithoutAPort) {
  const RunOptions options = run({"run", "--dns", "192.0.2.1", "--dns", "192.0.2.1:5353", "--dns",
                                  "2001:db8::1", "--dns", "[2001:db8::1]:5353", "t"});
  std::vector<std::string> servers;
  for (const io::SocketAddress& server : options.dns_servers) {
    servers.push_back(server.to_string());
  }
  EXPECT_THAT(servers, ElementsAre("192.0.2.1:53", "192.0.2.1:5353", "[2001:db8::1]:53",
                                   "[2001:db8::1]:5353"));
  for (const char* wrong : {"dns.example", "192.0.2.1:0", "unix:/x", "53", ""}) {
    EXPECT_THAT(message({"run", "--dns", wrong, "t"}), HasSubstr("is no address")) << wrong;
  }
}

TEST(CommandLine, RepeatedOptions_AreKeptInOrder) {
  const RunOptions options =
      run({"run", "--dir", "a::/x", "--dir", "b::/y:ro", "--env", "A=1", "--env", "LANG", "t"});
  ASSERT_EQ(options.directories.size(), 2U);
  EXPECT_EQ(options.directories[0].host, "a");
  EXPECT_EQ(options.directories[0].guest, "/x");
  EXPECT_FALSE(options.directories[0].read_only);
  EXPECT_TRUE(options.directories[1].read_only);
  EXPECT_THAT(options.environment, ElementsAre(Pair("A", "1"), Pair("LANG", "C.UTF-8")));
  EXPECT_EQ(options.target, "t");
}

TEST(CommandLine, Limits_AreParsed) {
  const RunOptions options =
      run({"run", "--memory-limit", "64MiB", "--time-limit", "1500ms", "--shards", "3",
           "--file-limit", "5000", "-e", "cmd", "-q", "--json", "t"});
  EXPECT_EQ(options.memory_bytes_max, std::uint64_t{64} << 20);
  EXPECT_EQ(options.time_max, std::chrono::milliseconds(1500));
  EXPECT_EQ(options.shards, 3U);
  EXPECT_EQ(options.files_max, 5000U);
  EXPECT_EQ(options.command, "cmd");
  EXPECT_TRUE(options.quiet && options.json);
}

TEST(CommandLine, Version_IsAVerb) {
  const auto parsed = parse({"version", "--json"});
  ASSERT_TRUE(parsed.has_value());
  EXPECT_TRUE(std::get<VersionOptions>(*parsed).json);
}

TEST(CommandLine, Help_HasExamples) {
  for (const auto& arguments :
       {std::vector<std::string>{"--help"}, std::vector<std::string>{"run", "--help"}}) {
    const auto parsed = parse(arguments);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_THAT(std::get<HelpText>(*parsed).text, HasSubstr("Examples:"));
  }
}

TEST(CommandLine, Mistakes_GetOneSentence) {
  EXPECT_THAT(message({}), HasSubstr("Try: selvedge run TARGET"));
  EXPECT_THAT(message({"dploy"}), StartsWith("there is no command \"dploy\""));
  EXPECT_THAT(message({"run"}), StartsWith("run needs a target"));
  EXPECT_THAT(message({"run", "t", "--frob"}),
              StartsWith("unknown option --frob; options of the program go after --"));
  EXPECT_THAT(message({"run", "-c", "x", "t"}), StartsWith("unknown option -c"));
  EXPECT_THAT(message({"run", "--dir"}), HasSubstr("--dir"));
  EXPECT_THAT(message({"run", "--dir", "::/x", "t"}), HasSubstr("names no folder"));
  EXPECT_THAT(message({"run", "--dir", "../x", "t"}), HasSubstr("write HOST::GUEST"));
  EXPECT_THAT(message({"run", "--env", "=x", "t"}), HasSubstr("write NAME=VALUE"));
  EXPECT_THAT(message({"run", "--env", "MISSING", "t"}), HasSubstr("has no MISSING"));
  EXPECT_THAT(message({"run", "--env-file", "/no/such/file", "t"}), HasSubstr("no such file"));
  EXPECT_THAT(message({"run", "--http", "x:y", "t"}), HasSubstr("is not an address"));
  EXPECT_THAT(message({"run", "--memory-limit", "1", "t"}), HasSubstr("from 64KiB to 4GiB"));
  EXPECT_THAT(message({"run", "--memory-limit", "x", "t"}), HasSubstr("is not a size"));
  EXPECT_THAT(message({"run", "--time-limit", "0s", "t"}), HasSubstr("is not a duration"));
  EXPECT_THAT(message({"run", "--log-level", "loud", "t"}), HasSubstr("write debug, info"));
  EXPECT_THAT(message({"run", "--shards", "9999", "t"}), HasSubstr("at most 1024"));
  EXPECT_THAT(message({"run", "--shards", "-1", "t"}), HasSubstr("shards"));
  EXPECT_THAT(message({"run", "--file-limit", "3", "t"}), HasSubstr("from 16 to 65536"));
}

TEST(ParseDirectory, Table) {
  EXPECT_EQ(parse_directory(".")->guest, "/");
  EXPECT_EQ(parse_directory("./data/")->guest, "/data");
  EXPECT_EQ(parse_directory("/srv/www")->guest, "/srv/www");
  EXPECT_EQ(parse_directory("/srv/www:ro")->host, "/srv/www");
  EXPECT_TRUE(parse_directory("/srv/www:ro")->read_only);
  EXPECT_EQ(parse_directory("a::/b//c/")->guest, "/b/c");
  EXPECT_FALSE(parse_directory("").has_value());
  EXPECT_FALSE(parse_directory("a::b").has_value());
  EXPECT_FALSE(parse_directory("a::").has_value());
  EXPECT_FALSE(parse_directory("a::/../b").has_value());
}

TEST(ParseListenAddress, Table) {
  struct Case {
    const char* text;
    const char* address;
    bool every_interface;
  };
  for (const Case& c :
       {Case{"8080", "127.0.0.1:8080", false}, Case{"localhost:80", "127.0.0.1:80", false},
        Case{":8080", "0.0.0.0:8080", true}, Case{"127.0.0.1:0", "127.0.0.1:0", false},
        Case{"[::1]:8080", "[::1]:8080", false}, Case{"0.0.0.0:1", "0.0.0.0:1", false}}) {
    SCOPED_TRACE(c.text);
    const auto parsed = parse_listen_address(c.text);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
    EXPECT_EQ(parsed->address.to_string(), c.address);
    EXPECT_EQ(parsed->every_interface, c.every_interface);
  }
  for (const char* text : {"", ":", "localhost", "localhost:", "65536", ":65536", "::1:80", "[::1]",
                           "example.org:80", "1.2.3:80", "-1", "80x", "unix:/tmp/x", "http://x"}) {
    EXPECT_FALSE(parse_listen_address(text).has_value()) << text;
  }
}

TEST(ParseEnvironmentFile, SkipsCommentsAndUnquotes) {
  const auto parsed = parse_environment_file("# c\n\nA=1\r\n  B = x\nC=\"q r\"\nD='s'\nE=\"", "f");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_THAT(*parsed, ElementsAre(Pair("A", "1"), Pair("B ", " x"), Pair("C", "q r"),
                                   Pair("D", "s"), Pair("E", "\"")));
  const auto wrong = parse_environment_file("A=1\nnonsense\n", "f.env");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(wrong.error().message(), StartsWith("f.env:2: "));
}

}  // namespace
}  // namespace selvedge::cli
