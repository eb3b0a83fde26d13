// Names to addresses, asked of a server in a simulated network, and what the policy makes of them.

#include "wasix/dns_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/task_scope.h"
#include "wasix/testing/egress_world.h"

namespace selvedge::wasix {
namespace {

using testing::at;
using testing::EgressWorld;
using ::testing::ElementsAre;
using testing::ip;

constexpr std::size_t kHeaderBytes = 12;
constexpr unsigned char kTypeAaaa = 28;

// What the server says about a name (RFC 1035 section 4.1).
struct Record {
  std::vector<io::IpAddress> addresses = {};
  unsigned char code = 0;  // 3: no such name; 2: the server has failed
  bool truncated = false;  // over UDP: to be asked again over TCP
  bool silent = false;
};

class DnsResolverTest : public ::testing::Test {
 protected:
  DnsResolverTest() {
    serving_.spawn(serve_datagrams());
    serving_.spawn(serve_streams());
  }

  // The question's name, and where the question ends.
  static std::pair<std::string, std::size_t> question_of(const std::string& query) {
    std::string name;
    std::size_t at = kHeaderBytes;
    while (query.at(at) != 0) {
      const auto size = static_cast<std::size_t>(static_cast<unsigned char>(query[at]));
      name += (name.empty() ? "" : ".") + query.substr(at + 1, size);
      at += size + 1;
    }
    return {name, at + 5};
  }
  std::string answer(const std::string& query, bool over_udp) {
    const auto [name, end] = question_of(query);
    const auto type = static_cast<unsigned char>(query.at(end - 3));
    asked_.push_back(name);
    const Record& record = records_[name];
    if (record.silent) {
      return {};
    }
    const bool truncated = record.truncated && over_udp;
    std::string text;
    std::size_t count = 0;
    for (const io::IpAddress& address : record.addresses) {
      if (truncated || address.is_v6() != (type == kTypeAaaa)) {
        continue;
      }
      ++count;
      const auto bytes = address.bytes();
      text += {'\xc0', '\x0c', '\0', static_cast<char>(type),        '\0', '\1', '\0', '\0',
               '\0',   '\x3c', '\0', static_cast<char>(bytes.size())};
      text += base::as_text(std::as_bytes(bytes));
    }
    std::string head = query.substr(0, 2);
    head += {static_cast<char>(truncated ? 0x83 : 0x81),
             static_cast<char>(0x80 | record.code),
             '\0',
             '\1',
             '\0',
             static_cast<char>(count),
             '\0',
             '\0',
             '\0',
             '\0'};
    return head + query.substr(kHeaderBytes, end - kHeaderBytes) + text;
  }
  io::Task<> serve_datagrams() {
    std::array<std::byte, 2048> buffer{};
    for (;;) {
      io::ReceivedDatagram datagram{.buffer = buffer};
      SELVEDGE_CO_TRY_VOID(co_await datagrams_->receive(std::span(&datagram, 1)));
      const std::string reply =
          answer(std::string(base::as_text(std::span(buffer).first(datagram.size))), true);
      if (!reply.empty()) {
        SELVEDGE_CO_TRY_VOID(co_await datagrams_->send(base::as_bytes(reply), datagram.peer));
      }
    }
  }
  io::Task<> serve_streams() {
    for (;;) {
      SELVEDGE_CO_TRY(const auto stream, co_await listener_->accept());
      std::array<std::byte, 2> length{};
      while (co_await stream->read_exactly(length)) {
        std::vector<std::byte> query(std::to_integer<std::size_t>(length[0]) * 256 +
                                     std::to_integer<std::size_t>(length[1]));
        SELVEDGE_CO_TRY_VOID(co_await stream->read_exactly(query));
        const std::string reply = answer(std::string(base::as_text(query)), false);
        const std::string head{static_cast<char>(reply.size() >> 8U),
                               static_cast<char>(reply.size() & 0xffU)};
        SELVEDGE_CO_TRY_VOID(co_await stream->write_all(base::as_bytes(head + reply)));
      }
    }
  }
  Result<std::vector<io::IpAddress>> resolve(const std::string& name) {
    return world_.guest().reactor().run(world_.resolver().resolve(name));
  }
  ErrorKind failure(const std::string& name) {
    const auto result = resolve(name);
    EXPECT_FALSE(result);
    return result ? ErrorKind::kInvalid : result.error().kind();
  }
  Errno resolve_as_guest(const std::string& name) {
    found_.clear();
    return *world_.guest().reactor().run(world_.egress().resolve(name, found_));
  }

  EgressWorld world_{{"public"}};
  std::map<std::string, Record> records_;
  std::vector<std::string> asked_;
  std::vector<io::IpAddress> found_;
  std::unique_ptr<io::DatagramSocket> datagrams_ =
      *world_.server().network().bind_datagram(at("93.184.216.34:53"));
  std::unique_ptr<io::Listener> listener_ =
      *world_.server().network().listen(at("93.184.216.34:53"));
  io::TaskScope serving_{world_.server().reactor()};
};

TEST_F(DnsResolverTest, Name_GivesItsAddressesIpv4First) {
  records_["www.example"] = {.addresses = {ip("2606:2800::1"), ip("1.2.3.4"), ip("5.6.7.8")}};
  EXPECT_THAT(resolve("www.example").value(),
              ElementsAre(ip("1.2.3.4"), ip("5.6.7.8"), ip("2606:2800::1")));
}

TEST_F(DnsResolverTest, OneFamily_IsEnough) {
  records_["six.example"] = {.addresses = {ip("2606:2800::1")}};
  EXPECT_THAT(resolve("six.example").value(), ElementsAre(ip("2606:2800::1")));
}

TEST_F(DnsResolverTest, ExactlyTheNameIsAsked) {
  records_["host"] = {.addresses = {ip("1.2.3.4")}};
  EXPECT_TRUE(resolve("host"));
  EXPECT_THAT(asked_, ElementsAre("host", "host"));
}

TEST_F(DnsResolverTest, TruncatedAnswer_IsAskedForOverTcp) {
  records_["big.example"] = {.addresses = {ip("1.2.3.4")}, .truncated = true};
  EXPECT_THAT(resolve("big.example").value(), ElementsAre(ip("1.2.3.4")));
}

TEST_F(DnsResolverTest, ManyAddresses_AreBounded) {
  Record& record = records_["many.example"];
  for (unsigned char i = 1; i <= 60; ++i) {
    record.addresses.push_back(io::IpAddress::v4({1, 2, 3, i}));
  }
  EXPECT_EQ(resolve("many.example")->size(), DnsResolver::kAddressesMax);
}

TEST_F(DnsResolverTest, Failures_SayWhatToDo) {
  records_["none.example"] = {.code = 3};
  records_["empty.example"] = {};
  records_["broken.example"] = {.code = 2};
  records_["silent.example"] = {.silent = true};
  EXPECT_EQ(failure("none.example"), ErrorKind::kNotFound);
  EXPECT_EQ(failure("empty.example"), ErrorKind::kNotFound);
  EXPECT_EQ(failure("broken.example"), ErrorKind::kDisconnected);
  EXPECT_EQ(failure("silent.example"), ErrorKind::kTimeout);
}

TEST_F(DnsResolverTest, LookupThatIsGivenUp_LeavesNothing) {
  records_["silent.example"] = {.silent = true};
  io::TaskScope scope(world_.guest().reactor());
  scope.spawn([](auto task) -> io::Task<> {
    [[maybe_unused]] const auto result = co_await std::move(task);
    co_return {};
  }(world_.resolver().resolve("silent.example")));
  world_.settle(std::chrono::milliseconds(100));
  EXPECT_EQ(scope.size(), 1U);
  scope.cancel();
  world_.settle(std::chrono::seconds(60));
  records_["www.example"] = {.addresses = {ip("1.2.3.4")}};
  EXPECT_TRUE(resolve("www.example"));
}

TEST_F(DnsResolverTest, NameThatNoRuleAllows_IsNotAsked) {
  world_.set_rules({"allowed.example:443,10.0.0.0/8"});
  EXPECT_EQ(resolve_as_guest("other.example"), Errno::kAcces);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(DnsResolverTest, NameRule_OpensThePublicAddressesOfTheName) {
  world_.set_rules({"allowed.example:443"});
  records_["allowed.example"] = {.addresses = {ip("1.2.3.4"), ip("10.0.0.9"), ip("127.0.0.1")}};
  EXPECT_EQ(world_.egress().check(at("1.2.3.4:443")), Errno::kAcces);
  EXPECT_EQ(resolve_as_guest("allowed.example"), Errno::kSuccess);
  EXPECT_EQ(found_.size(), 3U);
  EXPECT_EQ(world_.egress().check(at("1.2.3.4:443")), Errno::kSuccess);
  EXPECT_EQ(world_.egress().check(at("1.2.3.4:80")), Errno::kAcces);
  EXPECT_EQ(world_.egress().check(at("1.2.3.5:443")), Errno::kAcces);
  // Rebinding: what the name says about private addresses counts for nothing.
  EXPECT_EQ(world_.egress().check(at("10.0.0.9:443")), Errno::kAcces);
  EXPECT_FALSE(world_.egress().is_outside(at("127.0.0.1:443")));
}

TEST_F(DnsResolverTest, NameRule_OpensNothingForAnotherWorkload) {
  world_.set_rules({"allowed.example"});
  records_["allowed.example"] = {.addresses = {ip("1.2.3.4")}};
  EXPECT_EQ(resolve_as_guest("allowed.example"), Errno::kSuccess);
  world_.set_rules({"allowed.example"});
  EXPECT_EQ(world_.egress().check(at("1.2.3.4:443")), Errno::kAcces);
}

TEST_F(DnsResolverTest, FailuresAreErrnos) {
  records_["none.example"] = {.code = 3};
  records_["broken.example"] = {.code = 2};
  records_["silent.example"] = {.silent = true};
  EXPECT_EQ(resolve_as_guest("none.example"), Errno::kNoent);
  EXPECT_EQ(resolve_as_guest("broken.example"), Errno::kHostunreach);
  EXPECT_EQ(resolve_as_guest("silent.example"), Errno::kTimedout);
}

}  // namespace
}  // namespace selvedge::wasix
