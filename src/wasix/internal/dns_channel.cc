#include "wasix/internal/dns_channel.h"

#include <netinet/in.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <string>
#include <utility>

#include "base/format.h"

namespace selvedge::wasix::internal {

namespace {

// Of the first attempt at a server; c-ares doubles it for each further one.
constexpr int kAttemptTimeMs = 1'500;
constexpr int kAttemptsMax = 2;
// What passes every path unfragmented (DNS flag day 2020).
constexpr int kAnswerBytesMax = 1'232;
// Until c-ares is asked again about times that it says have come.
constexpr base::Duration kTimeoutMin = std::chrono::milliseconds(1);
// Of what c-ares sends at once: a message over TCP, with its length.
constexpr std::size_t kQueryBytesMax = 65'537;

io::SocketAddress address_of(const sockaddr* address, ares_socklen_t length) {
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    io::IpAddress::V4Bytes bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return {io::IpAddress::v4(bytes), ntohs(in.sin_port)};
  }
  sockaddr_in6 in{};
  std::memcpy(&in, address, std::min<std::size_t>(length, sizeof in));
  io::IpAddress::V6Bytes bytes{};
  std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
  return {io::IpAddress::v6(bytes), ntohs(in.sin6_port), in.sin6_scope_id};
}

void write_address(const io::SocketAddress& from, sockaddr* target, ares_socklen_t* length) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const auto bytes = from.ip().bytes();
  const bool is_v6 = from.ip().is_v6();
  if (is_v6) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(from.port());
    v6.sin6_scope_id = from.scope_id();
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
  } else {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(from.port());
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
  }
  const std::size_t size = is_v6 ? sizeof v6 : sizeof v4;
  std::memcpy(target, is_v6 ? static_cast<const void*>(&v6) : &v4,
              std::min<std::size_t>(size, *length));
  *length = static_cast<ares_socklen_t>(size);
}

ares_ssize_t fails_with(int error_number) noexcept {
  errno = error_number;
  return -1;
}

// As recvfrom(2) and sendmsg(2) tell of an attempt.
ares_ssize_t result_of(const io::Attempt& attempt) noexcept {
  if (!attempt) {
    return fails_with(ECONNREFUSED);
  }
  return *attempt ? static_cast<ares_ssize_t>(**attempt) : fails_with(EAGAIN);
}

DnsChannel& channel_of(void* self) noexcept { return *static_cast<DnsChannel*>(self); }

}  // namespace

DnsChannel::Socket::Socket(DnsChannel& channel) noexcept
    : readable(channel), writable(channel), connecting(channel.reactor_, 1) {}

void DnsChannel::Wake::run(io::QueuedWork& work) noexcept {
  // May destroy `work`, with a socket that c-ares has closed.
  static_cast<Wake&>(work).channel_.pump();
}

// nullptr: nothing to wait for, yet.
io::Event* DnsChannel::Socket::event(bool reading) noexcept {
  if (datagrams != nullptr) {
    return reading ? &datagrams->readable() : &datagrams->writable();
  }
  if (stream != nullptr) {
    return reading ? &stream->readable() : &stream->writable();
  }
  return nullptr;
}

void DnsChannel::Timeout::fired(io::Timer& timer) noexcept {
  static_cast<Timeout&>(timer).channel_.pump();
}

DnsChannel::DnsChannel(io::Reactor& reactor, io::Network& network) noexcept
    : reactor_(reactor), network_(network) {}

DnsChannel::~DnsChannel() {
  if (channel_ != nullptr) {
    ares_destroy(channel_);
  }
}

Result<> DnsChannel::open(const std::vector<io::SocketAddress>& servers) {
  static constexpr ares_socket_functions kFunctions{.asocket = &open_socket,
                                                    .aclose = &close_socket,
                                                    .aconnect = &connect_socket,
                                                    .arecvfrom = &receive,
                                                    .asendv = &send};
  std::string lookups = "b";  // DNS, and no file of hosts
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
  options.timeout = kAttemptTimeMs;
  options.tries = kAttemptsMax;
  options.ednspsz = kAnswerBytesMax;
  options.lookups = lookups.data();
  options.sock_state_cb = &state_changed;
  options.sock_state_cb_data = this;
  // ares_library_init() does nothing on Linux, and is no function for several threads.
  int status = ares_init_options(&channel_, &options,
                                 ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                     ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS) {
    ares_set_socket_functions(channel_, &kFunctions, this);
    std::string list;
    for (const io::SocketAddress& server : servers) {
      list += (list.empty() ? "" : ",") + server.to_string();
    }
    if (!servers.empty()) {
      status = ares_set_servers_ports_csv(channel_, list.c_str());
    }
  }
  if (status != ARES_SUCCESS) {
    return fail_format(ErrorKind::kInternal, "DNS cannot begin: {}", ares_strerror(status));
  }
  return {};
}

void DnsChannel::query(const std::string& name, int type, ares_callback callback, void* argument) {
  constexpr int kInternetClass = 1;
  ares_query(channel_, name.c_str(), kInternetClass, type, callback, argument);
  wait();
}

DnsChannel::Socket* DnsChannel::find(ares_socket_t id) noexcept {
  const auto found = sockets_.find(id);
  return found == sockets_.end() ? nullptr : found->second.get();
}

ares_socket_t DnsChannel::open_socket(int family, int type, int /*protocol*/, void* self) {
  DnsChannel& channel = channel_of(self);
  auto socket = std::make_unique<Socket>(channel);
  if (type == SOCK_DGRAM) {
    const io::IpAddress any =
        family == AF_INET6 ? io::IpAddress::any_v6() : io::IpAddress::any_v4();
    auto bound = channel.network_.bind_datagram({any, 0});
    if (!bound) {
      errno = EAFNOSUPPORT;
      return ARES_SOCKET_BAD;
    }
    socket->datagrams = *std::move(bound);
  }
  while (channel.sockets_.contains(channel.next_id_)) {
    channel.next_id_ = channel.next_id_ == INT_MAX ? 1 : channel.next_id_ + 1;
  }
  channel.sockets_.emplace(channel.next_id_, std::move(socket));
  return channel.next_id_;
}

int DnsChannel::close_socket(ares_socket_t id, void* self) {
  DnsChannel& channel = channel_of(self);
  if (auto node = channel.sockets_.extract(id)) {
    channel.closed_.push_back(std::move(node.mapped()));
    channel.reactor_.schedule(channel.pump_);
  }
  return 0;
}

int DnsChannel::connect_socket(ares_socket_t id, const sockaddr* address, ares_socklen_t length,
                               void* self) {
  DnsChannel& channel = channel_of(self);
  Socket* const socket = channel.find(id);
  socket->peer = address_of(address, length);
  if (socket->datagrams != nullptr) {
    return 0;
  }
  socket->connecting.spawn(channel.connect(*socket));
  errno = EINPROGRESS;
  return -1;
}

// Its scope, and so the socket, outlive the task; c-ares gives up connections that take too long.
io::Task<> DnsChannel::connect(Socket& socket) {
  auto made = co_await network_.connect(socket.peer, io::Deadline::never());
  if (made) {
    socket.stream = *std::move(made);
  } else {
    socket.failed = true;
  }
  reactor_.schedule(pump_);
  co_return {};
}

ares_ssize_t DnsChannel::receive(ares_socket_t id, void* buffer, std::size_t size, int /*flags*/,
                                 sockaddr* from, ares_socklen_t* from_length, void* self) {
  Socket* const socket = channel_of(self).find(id);
  const base::MutableByteSpan bytes(static_cast<std::byte*>(buffer), size);
  if (socket->stream != nullptr) {
    return result_of(socket->stream->try_read(bytes));
  }
  if (socket->datagrams == nullptr) {
    return fails_with(socket->failed ? ECONNREFUSED : EAGAIN);
  }
  for (;;) {
    io::ReceivedDatagram datagram{.buffer = bytes};
    const io::Attempt attempt = socket->datagrams->try_receive(std::span(&datagram, 1));
    if (!attempt || !*attempt) {
      return result_of(attempt);
    }
    // Anybody can send to an unconnected socket.
    if (datagram.peer == socket->peer) {
      if (from != nullptr && from_length != nullptr) {
        write_address(datagram.peer, from, from_length);
      }
      return static_cast<ares_ssize_t>(datagram.size);
    }
  }
}

ares_ssize_t DnsChannel::send(ares_socket_t id, const iovec* pieces, int count, void* self) {
  Socket* const socket = channel_of(self).find(id);
  std::vector<std::byte> bytes;
  for (const iovec& piece : std::span(pieces, static_cast<std::size_t>(count))) {
    const base::ByteSpan part(static_cast<const std::byte*>(piece.iov_base), piece.iov_len);
    bytes.insert(bytes.end(), part.begin(), part.end());
    if (bytes.size() > kQueryBytesMax) {
      return fails_with(EMSGSIZE);
    }
  }
  if (socket->stream != nullptr) {
    return result_of(socket->stream->try_write(bytes));
  }
  if (socket->datagrams == nullptr) {
    return fails_with(socket->failed ? ECONNREFUSED : EAGAIN);
  }
  const io::OutgoingDatagram datagram{.payload = bytes, .peer = socket->peer};
  const io::Attempt attempt = socket->datagrams->try_send(std::span(&datagram, 1));
  return attempt && *attempt ? static_cast<ares_ssize_t>(bytes.size()) : result_of(attempt);
}

void DnsChannel::state_changed(void* self, ares_socket_t id, int reading, int writing) {
  if (Socket* const socket = channel_of(self).find(id)) {
    socket->wants_read = reading != 0;
    socket->wants_write = writing != 0;
  }
}

void DnsChannel::pump() {
  closed_.clear();
  std::vector<ares_socket_t> ids;
  ids.reserve(sockets_.size());
  for (const auto& [id, socket] : sockets_) {
    ids.push_back(id);
  }
  for (const ares_socket_t id : ids) {
    Socket* const socket = find(id);
    if (socket == nullptr) {
      continue;  // closed since
    }
    const auto possible = [socket](bool reading) {
      const io::Event* const event = socket->event(reading);
      return socket->failed || (event != nullptr && event->is_set());
    };
    const bool reads = socket->wants_read && possible(true);
    const bool writes = socket->wants_write && possible(false);
    if (reads || writes) {
      ares_process_fd(channel_, reads ? id : ARES_SOCKET_BAD, writes ? id : ARES_SOCKET_BAD);
    }
  }
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has timed out
  wait();
}

void DnsChannel::wait() {
  for (const auto& [id, socket] : sockets_) {
    for (const bool reading : {true, false}) {
      if (!(reading ? socket->wants_read : socket->wants_write)) {
        continue;
      }
      if (io::Event* const event = socket->event(reading)) {
        event->call_when_set(reading ? socket->readable : socket->writable);
      }
    }
  }
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) == nullptr) {
    timeout_.cancel();
    return;
  }
  const base::Duration duration =
      std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
  reactor_.timers().arm(timeout_, reactor_.now() + std::max(duration, kTimeoutMin));
}

}  // namespace selvedge::wasix::internal
