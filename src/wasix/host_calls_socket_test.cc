// Sockets as guests call them: wasix_32v1, and preview 1's functions on them.

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasix/abi_socket.h"
#include "wasix/fs_memory.h"
#include "wasix/host_functions.h"
#include "wasix/loopback_network.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kOut2 = 1032;
constexpr std::uint32_t kAddress = 2048;
constexpr std::uint32_t kAddress2 = 2304;
constexpr std::uint32_t kIovecs = 3072;
constexpr std::uint32_t kData = 8192;
constexpr std::uint32_t kBad = 0xffff'fff0;
constexpr std::uint64_t kInet4 = 1;
constexpr std::uint64_t kUnix = 3;
constexpr std::uint64_t kStream = 1;
constexpr std::uint64_t kDgram = 2;

// The sockets of both modules; sock_accept here is the one with 4 parameters.
std::vector<testing::ImportSignature> imports() {
  std::vector<testing::ImportSignature> chosen{{.name = "sock_accept", .parameters = "iiii"}};
  for (const auto& import : testing::wasix_imports()) {
    if (import.name.starts_with("sock_") || import.name.starts_with("epoll_")) {
      chosen.push_back(import);
    }
  }
  for (const auto& import : testing::preview1_imports()) {
    if ((import.name.starts_with("sock_") && import.name != "sock_accept") ||
        import.name.starts_with("fd_") || import.name == "poll_oneoff" ||
        import.name == "path_open") {
      chosen.push_back(import);
    }
  }
  return chosen;
}

class SocketCallsTest : public ::testing::Test {
 protected:
  SocketCallsTest() : network_(std::make_shared<LoopbackNetwork>(machine_.reactor())) {
    ProcessOptions options{.network = network_};
    options.preopens.push_back(
        {.guest_path = "/",
         .directory = (*MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr}))
                          ->open_root()});
    guest_.emplace(machine_, *machine_.link_wat(testing::trampoline_wat(kWasixModule, imports())),
                   std::move(options));
  }

  GuestFd open(std::uint64_t family, std::uint64_t type) {
    EXPECT_EQ(guest_->call("sock_open", {family, type, 0, kOut}), Errno::kSuccess);
    return guest_->value<GuestFd>(kOut);
  }
  static abi::AddrPort inet4(std::array<std::uint8_t, 4> ip, std::uint16_t port) {
    abi::AddrPort address{};
    address.tag = 1;
    address.data[0] = static_cast<std::uint8_t>(port & 0xffU);
    address.data[1] = static_cast<std::uint8_t>(port >> 8U);
    std::ranges::copy(ip, address.data + 2);
    return address;
  }
  static abi::AddrPort local(std::uint16_t port) { return inet4({127, 0, 0, 1}, port); }
  static std::uint16_t port_of(const abi::AddrPort& address) {
    return static_cast<std::uint16_t>(address.data[0] | (address.data[1] << 8U));
  }
  std::optional<Errno> with_address(std::string_view name, GuestFd fd,
                                    const abi::AddrPort& address) {
    guest_->put_value(kAddress, address);
    return guest_->call(name, {fd, kAddress});
  }
  GuestFd listener(std::uint16_t port, std::uint32_t backlog = 4) {
    const GuestFd fd = open(kInet4, kStream);
    EXPECT_EQ(with_address("sock_bind", fd, local(port)), Errno::kSuccess);
    EXPECT_EQ(guest_->call("sock_listen", {fd, backlog}), Errno::kSuccess);
    return fd;
  }
  GuestFd connect(std::uint16_t port) {
    const GuestFd fd = open(kInet4, kStream);
    EXPECT_EQ(with_address("sock_connect", fd, local(port)), Errno::kSuccess);
    return fd;
  }
  GuestFd accept(GuestFd fd) {
    EXPECT_EQ(guest_->call("sock_accept_v2", {fd, 0, kOut, kAddress2}), Errno::kSuccess);
    return guest_->value<GuestFd>(kOut);
  }
  struct Pair {
    GuestFd first;
    GuestFd second;
  };
  Pair pair(std::uint64_t type = kStream) {
    EXPECT_EQ(guest_->call("sock_pair", {kUnix, type, 0, kOut, kOut2}), Errno::kSuccess);
    return {.first = guest_->value<GuestFd>(kOut), .second = guest_->value<GuestFd>(kOut2)};
  }
  void iovec(std::uint32_t size) {
    guest_->put_value(kIovecs, abi::Iovec{.buf = kData, .len = size});
  }
  std::optional<Errno> send(GuestFd fd, std::string_view text) {
    guest_->put(kData, text);
    iovec(static_cast<std::uint32_t>(text.size()));
    return guest_->call("sock_send", {fd, kIovecs, 1, 0, kOut});
  }
  // The bytes, and "+" when they were cut.
  std::string receive(GuestFd fd, std::uint32_t size = 64, std::uint64_t flags = 0) {
    iovec(size);
    const auto result = guest_->call("sock_recv", {fd, kIovecs, 1, flags, kOut, kOut2});
    if (result != Errno::kSuccess) {
      return "error " + std::to_string(static_cast<int>(*result));
    }
    return guest_->text(kData, guest_->value<std::uint32_t>(kOut)) +
           (guest_->value<std::uint16_t>(kOut2) == 1 ? "+" : "");
  }
  static std::string error(Errno value) {
    return "error " + std::to_string(static_cast<int>(value));
  }
  void nonblocking(GuestFd fd) {
    EXPECT_EQ(guest_->call("fd_fdstat_set_flags", {fd, 4}), Errno::kSuccess);
  }
  void set_timeout(GuestFd fd, SockOption option, std::uint64_t nanoseconds) {
    abi::OptionTimestamp time{};
    time.tag = 1;
    time.value = nanoseconds;
    guest_->put_value(kData, time);
    EXPECT_EQ(guest_->call("sock_set_opt_time", {fd, static_cast<std::uint64_t>(option), kData}),
              Errno::kSuccess);
  }

  Machine machine_;
  std::shared_ptr<LoopbackNetwork> network_;
  std::optional<CallingGuest> guest_;
};

TEST_F(SocketCallsTest, Tcp_ConnectsAcceptsAndCarriesBytes) {
  const GuestFd server = listener(8080);
  const GuestFd client = connect(8080);
  const GuestFd accepted = accept(server);
  const auto peer = guest_->value<abi::AddrPort>(kAddress2);
  EXPECT_EQ(peer.tag, 1);
  EXPECT_EQ(guest_->call("sock_addr_local", {client, kAddress}), Errno::kSuccess);
  EXPECT_EQ(port_of(guest_->value<abi::AddrPort>(kAddress)), port_of(peer));
  EXPECT_EQ(guest_->call("sock_addr_peer", {client, kAddress}), Errno::kSuccess);
  EXPECT_EQ(port_of(guest_->value<abi::AddrPort>(kAddress)), 8080);
  EXPECT_EQ(guest_->call("sock_addr_peer", {server, kAddress}), Errno::kNotconn);
  EXPECT_EQ(send(client, "question"), Errno::kSuccess);
  EXPECT_EQ(receive(accepted, 4, 1), "ques");
  EXPECT_EQ(receive(accepted), "question");
  EXPECT_EQ(guest_->call("sock_status", {client, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint8_t>(kOut), 1);
  guest_->put(kData, "answer");
  iovec(6);
  EXPECT_EQ(guest_->call("fd_write", {accepted, kIovecs, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("fd_read", {client, kIovecs, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 6U);
  EXPECT_EQ(guest_->call("fd_close", {accepted}), Errno::kSuccess);
  EXPECT_EQ(receive(client), "");
  EXPECT_EQ(send(client, "x"), Errno::kPipe);
}

TEST_F(SocketCallsTest, SockAccept_IsTheSameWithFourParameters) {
  const GuestFd server = listener(8080);
  connect(8080);
  EXPECT_EQ(guest_->call("sock_accept", {server, 4, kOut, kAddress2}), Errno::kSuccess);
  const auto accepted = guest_->value<GuestFd>(kOut);
  EXPECT_EQ(receive(accepted), error(Errno::kAgain));
}

TEST_F(SocketCallsTest, Preview1SockAccept_TakesAConnection) {
  const auto socket = *network_->open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(socket->listen(1), Errno::kSuccess);
  const auto client = *network_->open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(client->connect(socket->local_address()), Errno::kSuccess);
  CallingGuest guest(
      machine_,
      *machine_.link_wat(testing::trampoline_wat(kPreview1Module, testing::preview1_imports())),
      ProcessOptions{.standard_input = socket});
  EXPECT_EQ(guest.call("sock_accept", {0, 4, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest.value<GuestFd>(kOut), 3U);
  EXPECT_EQ(guest.call("sock_accept", {0, 1, kOut}), Errno::kInval);
  EXPECT_EQ(guest.call("sock_shutdown", {3, 3}), Errno::kSuccess);
}

TEST_F(SocketCallsTest, Receive_WaitsForThePeer) {
  const Pair ends = pair();
  iovec(64);
  guest_->begin("sock_recv", {ends.first, kIovecs, 1, 0, kOut, kOut2});
  EXPECT_FALSE(guest_->turn());
  const auto other = (*guest_->process().handles().find(ends.second))->handle;
  const ByteSpan bytes = base::as_bytes("woken");
  EXPECT_TRUE(other->try_write(std::span(&bytes, 1)));
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, 5), "woken");
}

TEST_F(SocketCallsTest, WaitAll_GathersUntilTheBuffersAreFull) {
  const Pair ends = pair();
  const auto other = (*guest_->process().handles().find(ends.second))->handle;
  iovec(6);
  guest_->begin("sock_recv", {ends.first, kIovecs, 1, 2, kOut, kOut2});
  for (const std::string_view piece : {"ab", "cd", "ef"}) {
    EXPECT_FALSE(guest_->turn());
    const ByteSpan bytes = base::as_bytes(piece);
    EXPECT_TRUE(other->try_write(std::span(&bytes, 1)));
  }
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 6U);
  EXPECT_EQ(guest_->text(kData, 6), "abcdef");
  EXPECT_EQ(send(ends.second, "gh"), Errno::kSuccess);
  EXPECT_EQ(receive(ends.first, 6, 2 | 8), "gh");
  set_timeout(ends.first, SockOption::kRecvTimeout, 1'000'000);
  EXPECT_EQ(send(ends.second, "ij"), Errno::kSuccess);
  EXPECT_EQ(receive(ends.first, 6, 2), "ij");
}

TEST_F(SocketCallsTest, Accept_WaitsForAConnection) {
  const GuestFd server = listener(8080);
  guest_->begin("sock_accept_v2", {server, 0, kOut, kAddress2});
  EXPECT_FALSE(guest_->turn());
  const auto client = *network_->open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(client->connect({io::IpAddress::loopback_v4(), 8080}), Errno::kSuccess);
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
}

TEST_F(SocketCallsTest, Connect_WaitsForRoomInTheBacklog) {
  const GuestFd server = listener(8080, 1);
  const auto first = *network_->open(AddressFamily::kInet4, SockType::kStream);
  EXPECT_EQ(first->connect({io::IpAddress::loopback_v4(), 8080}), Errno::kSuccess);
  const GuestFd client = open(kInet4, kStream);
  guest_->put_value(kAddress, local(8080));
  guest_->begin("sock_connect", {client, kAddress});
  EXPECT_FALSE(guest_->turn());
  Socket* const socket = (*guest_->process().handles().find(server))->handle->as_socket();
  EXPECT_TRUE(socket->try_accept());
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
}

TEST_F(SocketCallsTest, Timeouts_EndEveryKindOfWait) {
  constexpr std::uint64_t kMillisecond = 1'000'000;
  const GuestFd server = listener(8080, 1);
  set_timeout(server, SockOption::kAcceptTimeout, kMillisecond);
  EXPECT_EQ(guest_->call("sock_accept_v2", {server, 0, kOut, kAddress2}), Errno::kAgain);
  connect(8080);
  const GuestFd client = open(kInet4, kStream);
  set_timeout(client, SockOption::kConnectTimeout, kMillisecond);
  EXPECT_EQ(with_address("sock_connect", client, local(8080)), Errno::kTimedout);
  const Pair ends = pair();
  set_timeout(ends.first, SockOption::kRecvTimeout, kMillisecond);
  set_timeout(ends.first, SockOption::kSendTimeout, kMillisecond);
  EXPECT_EQ(receive(ends.first), error(Errno::kAgain));
  iovec(64);
  EXPECT_EQ(guest_->call("fd_read", {ends.first, kIovecs, 1, kOut}), Errno::kAgain);
  while (send(ends.first, std::string(65'536, 'x')) == Errno::kSuccess) {
  }
  EXPECT_EQ(guest_->call("fd_write", {ends.first, kIovecs, 1, kOut}), Errno::kAgain);
}

TEST_F(SocketCallsTest, Nonblocking_AnswersAgainAndInprogress) {
  const GuestFd server = listener(8080, 1);
  nonblocking(server);
  EXPECT_EQ(guest_->call("sock_accept_v2", {server, 0, kOut, kAddress2}), Errno::kAgain);
  connect(8080);
  const GuestFd client = open(kInet4, kStream);
  nonblocking(client);
  EXPECT_EQ(with_address("sock_connect", client, local(8080)), Errno::kInprogress);
  EXPECT_EQ(with_address("sock_connect", client, local(8080)), Errno::kAlready);
  EXPECT_EQ(guest_->call("sock_accept_v2", {server, 0, kOut, kAddress2}), Errno::kSuccess);
  EXPECT_EQ(with_address("sock_connect", client, local(8080)), Errno::kIsconn);
  EXPECT_EQ(receive(client), error(Errno::kAgain));
}

TEST_F(SocketCallsTest, Poll_ReportsAcceptReadAndHangup) {
  const GuestFd server = listener(8080);
  const auto poll = [this](Eventtype type, GuestFd fd) {
    abi::Subscription subscription{};
    subscription.type = static_cast<std::uint8_t>(type);
    subscription.fd_or_clock = fd;
    guest_->put_value(kData, subscription);
    EXPECT_EQ(guest_->call("poll_oneoff", {kData, kData + 64, 1, kOut}), Errno::kSuccess);
    return guest_->value<abi::Event>(kData + 64);
  };
  const GuestFd client = connect(8080);
  EXPECT_EQ(poll(Eventtype::kFdRead, server).error, Errno::kSuccess);
  const GuestFd accepted = accept(server);
  EXPECT_EQ(poll(Eventtype::kFdWrite, accepted).flags, Eventrwflags::kNone);
  EXPECT_EQ(send(client, "12345"), Errno::kSuccess);
  EXPECT_EQ(poll(Eventtype::kFdRead, accepted).nbytes, 5U);
  EXPECT_EQ(guest_->call("fd_close", {client}), Errno::kSuccess);
  const abi::Event event = poll(Eventtype::kFdRead, accepted);
  EXPECT_EQ(event.nbytes, 5U);
  EXPECT_EQ(event.flags, Eventrwflags::kNone) << "the peer may have finished writing only";
  EXPECT_EQ(send(accepted, "x"), Errno::kPipe);
  EXPECT_EQ(poll(Eventtype::kFdRead, accepted).flags, Eventrwflags::kHangup);
}

TEST_F(SocketCallsTest, EdgeTriggeredEpoll_ToldOfEachArrivalOnly) {
  constexpr std::uint32_t kReadEdges = 1 | 64;
  EXPECT_EQ(guest_->call("epoll_create", {kOut}), Errno::kSuccess);
  const auto epoll = guest_->value<GuestFd>(kOut);
  const Pair stream = pair();
  const Pair datagrams = pair(kDgram);
  for (const GuestFd fd : {stream.first, datagrams.first}) {
    guest_->put(kData, std::string(32, '\0'));
    guest_->put_value(kData, kReadEdges);
    EXPECT_EQ(guest_->call("epoll_ctl", {epoll, 0, fd, kData}), Errno::kSuccess);
  }
  const auto events = [&] {
    EXPECT_EQ(guest_->call("epoll_wait", {epoll, kData, 8, 0, kOut}), Errno::kSuccess);
    return guest_->value<std::uint32_t>(kOut);
  };
  EXPECT_EQ(events(), 0U);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(send(stream.second, "unread"), Errno::kSuccess);
    EXPECT_EQ(send(datagrams.second, "unread"), Errno::kSuccess);
    EXPECT_EQ(events(), 2U);
    EXPECT_EQ(events(), 0U);
  }
  EXPECT_EQ(receive(stream.first, 1), "u");
  EXPECT_EQ(receive(datagrams.first), "unread");
  EXPECT_EQ(events(), 0U);
  EXPECT_EQ(guest_->call("sock_shutdown", {stream.second, 2}), Errno::kSuccess);
  EXPECT_EQ(events(), 1U);
}

TEST_F(SocketCallsTest, Udp_CarriesDatagramsAndTellsTruncation) {
  const GuestFd server = open(kInet4, kDgram);
  EXPECT_EQ(with_address("sock_bind", server, local(53)), Errno::kSuccess);
  const GuestFd client = open(kInet4, kDgram);
  guest_->put_value(kAddress, local(53));
  guest_->put(kData, "datagram");
  iovec(8);
  EXPECT_EQ(guest_->call("sock_send_to", {client, kIovecs, 1, 0, kAddress, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 8U);
  iovec(4);
  EXPECT_EQ(guest_->call("sock_recv_from", {server, kIovecs, 1, 1 | 4, kOut, kOut2, kAddress2}),
            Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 8U);
  EXPECT_EQ(receive(server, 4), "data+");
  guest_->put_value(kAddress, guest_->value<abi::AddrPort>(kAddress2));
  guest_->put(kData, "reply");
  iovec(5);
  EXPECT_EQ(guest_->call("sock_send_to", {server, kIovecs, 1, 0, kAddress, kOut}), Errno::kSuccess);
  EXPECT_EQ(receive(client), "reply");
  EXPECT_EQ(with_address("sock_connect", client, local(53)), Errno::kSuccess);
  EXPECT_EQ(send(client, "connected"), Errno::kSuccess);
  EXPECT_EQ(receive(server), "connected");
  EXPECT_EQ(with_address("sock_connect", client, abi::AddrPort{}), Errno::kSuccess);
  EXPECT_EQ(send(client, "x"), Errno::kDestaddrreq);
}

TEST_F(SocketCallsTest, UnixNames_AreReadAndWritten) {
  abi::AddrPort name{};
  name.tag = 3;
  std::ranges::copy(std::string_view("/local"), name.data);
  const GuestFd server = open(kUnix, kStream);
  EXPECT_EQ(guest_->call("sock_listen", {server, 1}), Errno::kInval);
  abi::AddrPort unnamed{};
  unnamed.tag = 3;
  EXPECT_EQ(with_address("sock_bind", server, unnamed), Errno::kInval);
  EXPECT_EQ(with_address("sock_bind", server, name), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_listen", {server, 1}), Errno::kSuccess);
  const GuestFd client = open(kUnix, kStream);
  EXPECT_EQ(with_address("sock_connect", client, name), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_addr_peer", {client, kAddress}), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kAddress + 2, 7), std::string("/local\0", 7));
  abi::AddrPort abstract{};
  abstract.tag = 3;
  std::ranges::copy(std::string_view("\0abc", 4), abstract.data);
  const GuestFd other = open(kUnix, kDgram);
  EXPECT_EQ(with_address("sock_bind", other, abstract), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_addr_local", {other, kAddress}), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kAddress, 110), std::string("\3\0\0abc", 6) + std::string(104, '\0'));
  std::ranges::fill(name.data, std::uint8_t{'x'});
  EXPECT_EQ(with_address("sock_connect", client, name), Errno::kInval);
}

TEST_F(SocketCallsTest, SendFile_SendsAPieceOfAFile) {
  guest_->put(kAddress, "f");
  EXPECT_EQ(guest_->call("path_open", {3, 0, kAddress, 1, 1, 0x3fff'ffff, 0, 0, kOut}),
            Errno::kSuccess);
  const auto file = guest_->value<GuestFd>(kOut);
  guest_->put(kData, "0123456789");
  iovec(10);
  EXPECT_EQ(guest_->call("fd_write", {file, kIovecs, 1, kOut}), Errno::kSuccess);
  const Pair ends = pair();
  EXPECT_EQ(guest_->call("sock_send_file", {ends.first, file, 2, 5, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut), 5U);
  EXPECT_EQ(receive(ends.second), "23456");
  EXPECT_EQ(guest_->call("sock_send_file", {ends.first, file, 8, 1'000'000, kOut}),
            Errno::kSuccess);
  EXPECT_EQ(receive(ends.second), "89");
  EXPECT_EQ(guest_->call("sock_send_file", {ends.first, file, 99, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut), 0U);
  EXPECT_EQ(guest_->call("sock_send_file", {file, ends.first, 0, 1, kOut}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_send_file", {ends.first, ends.second, 0, 1, kOut}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_send_file", {ends.first, file, 0, 1, kBad}), Errno::kFault);
}

TEST_F(SocketCallsTest, SendFile_CopiesToAFile) {
  const auto open = [this](std::string_view name) {
    guest_->put(kAddress, name);
    EXPECT_EQ(guest_->call("path_open", {3, 0, kAddress, name.size(), 1, 0x3fff'ffff, 0, 0, kOut}),
              Errno::kSuccess);
    return guest_->value<GuestFd>(kOut);
  };
  const GuestFd from = open("from");
  const GuestFd to = open("to");
  guest_->put(kData, "0123456789");
  iovec(10);
  EXPECT_EQ(guest_->call("fd_write", {from, kIovecs, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_send_file", {to, from, 2, 3, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut), 3U);
  EXPECT_EQ(guest_->call("sock_send_file", {to, from, 6, 1'000, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut), 4U);
  EXPECT_EQ(guest_->call("fd_pread", {to, kIovecs, 1, 0, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 7U);
  EXPECT_EQ(guest_->text(kData, 7), "2346789");
  EXPECT_EQ(guest_->call("sock_send_file", {3, from, 0, 1, kOut}), Errno::kNotcapable);
}

TEST_F(SocketCallsTest, Shutdown_EndsADirection) {
  const Pair ends = pair();
  EXPECT_EQ(guest_->call("sock_shutdown", {ends.first, 2}), Errno::kSuccess);
  EXPECT_EQ(receive(ends.second), "");
  EXPECT_EQ(send(ends.first, "x"), Errno::kPipe);
  EXPECT_EQ(guest_->call("sock_shutdown", {open(kInet4, kStream), 1}), Errno::kNotconn);
}

TEST_F(SocketCallsTest, Open_ChecksItsArguments) {
  EXPECT_EQ(guest_->call("sock_open", {0, kStream, 0, kOut}), Errno::kAfnosupport);
  EXPECT_EQ(guest_->call("sock_open", {4, kStream, 0, kOut}), Errno::kAfnosupport);
  EXPECT_EQ(guest_->call("sock_open", {kInet4, 0, 0, kOut}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_open", {kInet4, 5, 0, kOut}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_open", {kInet4, 3, 0, kOut}), Errno::kProtonosupport);
  EXPECT_EQ(guest_->call("sock_open", {kInet4, kStream, 17, kOut}), Errno::kProtonosupport);
  EXPECT_EQ(guest_->call("sock_open", {kInet4, kDgram, 17, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_open", {kInet4, kStream, 6, kBad}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_pair", {kInet4, kStream, 0, kOut, kOut2}), Errno::kNotsup);
  EXPECT_EQ(guest_->call("sock_pair", {kUnix, kStream, 0, kOut, kBad}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_pair", {kUnix, 4, 0, kOut, kOut2}), Errno::kProtonosupport);
}

TEST_F(SocketCallsTest, NoNetwork_IsNotsup) {
  CallingGuest guest(machine_, *machine_.link_wat(testing::trampoline_wat(kWasixModule, imports())),
                     {});
  EXPECT_EQ(guest.call("sock_open", {kInet4, kStream, 0, kOut}), Errno::kNotsup);
  EXPECT_EQ(guest.call("sock_pair", {kUnix, kStream, 0, kOut, kOut2}), Errno::kNotsup);
}

TEST_F(SocketCallsTest, FullTable_KeepsTheConnection) {
  ProcessOptions options{.network = network_};
  options.limits.open_handles_max = 4;
  CallingGuest guest(machine_, *machine_.link_wat(testing::trampoline_wat(kWasixModule, imports())),
                     std::move(options));
  EXPECT_EQ(guest.call("sock_pair", {kUnix, kStream, 0, kOut, kOut2}), Errno::kMfile);
  EXPECT_EQ(guest.call("sock_open", {kInet4, kStream, 0, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest.call("sock_listen", {3, 1}), Errno::kSuccess);
  EXPECT_EQ(guest.call("sock_accept_v2", {3, 0, kOut, kAddress}), Errno::kMfile);
  EXPECT_EQ(guest.call("sock_open", {kInet4, kStream, 0, kOut}), Errno::kMfile);
}

TEST_F(SocketCallsTest, BadPointers_FaultBeforeAnythingChanges) {
  const Pair ends = pair();
  EXPECT_EQ(send(ends.second, "kept"), Errno::kSuccess);
  iovec(64);
  EXPECT_EQ(guest_->call("sock_recv", {ends.first, kIovecs, 1, 0, kBad, kOut2}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_recv", {ends.first, kIovecs, 1, 0, kOut, kBad}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_recv", {ends.first, kBad, 1, 0, kOut, kOut2}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_recv", {ends.first, kIovecs, 1025, 0, kOut, kOut2}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_recv_from", {ends.first, kIovecs, 1, 0, kOut, kOut2, kBad}),
            Errno::kFault);
  EXPECT_EQ(receive(ends.first), "kept");
  EXPECT_EQ(guest_->call("sock_send", {ends.first, kIovecs, 1, 0, kBad}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_send", {ends.first, kBad, 1, 0, kOut}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_send_to", {ends.first, kIovecs, 1, 0, kBad, kOut}), Errno::kFault);
  EXPECT_EQ(receive(ends.second, 64, 8), error(Errno::kAgain));
  const GuestFd server = listener(8080);
  connect(8080);
  EXPECT_EQ(guest_->call("sock_accept_v2", {server, 0, kBad, kAddress}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_accept_v2", {server, 0, kOut, kBad}), Errno::kFault);
  EXPECT_EQ(guest_->call("sock_accept_v2", {server, 0, kOut, kAddress}), Errno::kSuccess);
  for (const std::string_view name :
       {"sock_bind", "sock_connect", "sock_addr_local", "sock_status"}) {
    EXPECT_EQ(guest_->call(name, {ends.first, kBad}), Errno::kFault) << name;
  }
}

// wasix-libc names the protocol that its caller does not, whatever the family.
TEST_F(SocketCallsTest, Unix_WithTheUsualProtocol_IsOpened) {
  constexpr std::uint64_t kTcp = 6;
  constexpr std::uint64_t kUdp = 17;
  EXPECT_EQ(guest_->call("sock_open", {kUnix, kStream, kTcp, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_open", {kUnix, kDgram, kUdp, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_pair", {kUnix, kStream, kTcp, kOut, kOut2}), Errno::kSuccess);
  EXPECT_EQ(guest_->call("sock_pair", {kUnix, kStream, kUdp, kOut, kOut2}), Errno::kProtonosupport);
}

TEST_F(SocketCallsTest, Send_DontWait_IsAgainInsteadOfWaiting) {
  constexpr std::uint64_t kDontWait = 1;
  const Pair ends = pair();
  iovec(1024);
  std::optional<Errno> sent = Errno::kSuccess;
  for (int call = 0; call < 10'000 && sent == Errno::kSuccess; ++call) {
    sent = guest_->call("sock_send", {ends.first, kIovecs, 1, kDontWait, kOut});
  }
  EXPECT_EQ(sent, Errno::kAgain);
}

TEST_F(SocketCallsTest, BadValues_AreRefused) {
  const GuestFd fd = open(kInet4, kStream);
  abi::AddrPort unknown{};
  unknown.tag = 9;
  EXPECT_EQ(with_address("sock_bind", fd, unknown), Errno::kAfnosupport);
  EXPECT_EQ(with_address("sock_bind", fd, abi::AddrPort{}), Errno::kAfnosupport);
  EXPECT_EQ(with_address("sock_connect", fd, abi::AddrPort{}), Errno::kAfnosupport);
  EXPECT_EQ(with_address("sock_connect", fd, inet4({192, 0, 2, 1}, 80)), Errno::kAcces);
  EXPECT_EQ(with_address("sock_bind", fd, inet4({192, 0, 2, 1}, 80)), Errno::kAddrnotavail);
  EXPECT_EQ(guest_->call("sock_accept_v2", {fd, 0, kOut, kAddress}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_accept_v2", {fd, 32, kOut, kAddress}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_recv", {fd, kIovecs, 0, 16, kOut, kOut2}), Errno::kInval);
  EXPECT_EQ(guest_->call("sock_send", {fd, kIovecs, 0, 2, kOut}), Errno::kInval);
}

TEST_F(SocketCallsTest, NoSockets_AreToldApart) {
  for (const auto& import : testing::wasix_imports()) {
    if (!import.name.starts_with("sock_") || import.name == "sock_open" ||
        import.name == "sock_pair" || import.name == "sock_send_file") {
      continue;
    }
    std::vector<std::uint64_t> arguments(import.parameters.size(), kOut);
    for (const auto& [fd, expected] : {std::pair(0U, Errno::kNotsock), {42U, Errno::kBadf}}) {
      arguments[0] = fd;
      if (import.name == "sock_accept_v2" || import.name.starts_with("sock_recv_")) {
        arguments[import.name == "sock_accept_v2" ? 1 : 3] = 0;
      }
      EXPECT_EQ(guest_->call(import.name, arguments), expected) << import.name;
    }
  }
}

TEST_F(SocketCallsTest, ReceiveMessage_IsReceiveFrom_WithoutAncillaryData) {
  const Pair sockets = pair();
  ASSERT_EQ(send(sockets.first, "one"), Errno::kSuccess);
  iovec(64);
  guest_->put_value(kOut + 64, std::uint32_t{9});
  // No address is asked for.
  EXPECT_EQ(guest_->call("sock_recv_msg",
                         {sockets.second, kIovecs, 1, 0, 0, kBad, 99, kOut, kOut2, kOut + 64}),
            Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, guest_->value<std::uint32_t>(kOut)), "one");
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut + 64), 0U);
  ASSERT_EQ(send(sockets.first, "two"), Errno::kSuccess);
  iovec(64);
  EXPECT_EQ(guest_->call("sock_recv_msg",
                         {sockets.second, kIovecs, 1, 0, kAddress, 0, 0, kOut, kOut2, kOut + 64}),
            Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, guest_->value<std::uint32_t>(kOut)), "two");
  EXPECT_EQ(
      guest_->call("sock_recv_msg", {sockets.second, kIovecs, 1, 0, 0, 0, 0, kOut, kOut2, kBad}),
      Errno::kFault);
}

}  // namespace
}  // namespace selvedge::wasix
