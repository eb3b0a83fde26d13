#include "wasix/loopback_network.h"

#include <utility>

#include "base/format.h"
#include "wasix/internal/datagram_socket.h"
#include "wasix/internal/loopback_address.h"
#include "wasix/internal/loopback_state.h"
#include "wasix/internal/loopback_stream.h"
#include "wasix/internal/stream_socket.h"

namespace selvedge::wasix {

namespace {

using internal::BufferSizes;
using internal::ConnectAttempt;
using internal::DatagramSocket;
using internal::ListenQueue;
using internal::LoopbackState;
using internal::SocketSlot;
using internal::StreamEnd;
using internal::StreamSocket;

constexpr BufferSizes kDefaultSizes{.receive = SocketOptions::kBufferBytesDefault,
                                    .send = SocketOptions::kBufferBytesDefault};

// nullptr: nobody listens there.
ListenQueue* find_listener(const LoopbackState& state, const io::SocketAddress& address) {
  if (!address.is_unix()) {
    return state.tcp->find_listener(address.ip(), address.port());
  }
  const auto name = internal::UnixName::find(state, SockType::kStream, address.path());
  return name ? (*name)->listener : nullptr;
}

io::Task<std::unique_ptr<io::Stream>> connect_stream(std::shared_ptr<LoopbackState> state,
                                                     io::SocketAddress address,
                                                     io::Deadline deadline) {
  if (!address.is_unix()) {
    address = internal::reachable(address);
  }
  ListenQueue* const listener = find_listener(*state, address);
  if (listener == nullptr) {
    co_return fail_format(ErrorKind::kDisconnected, "nobody listens at {} in the guest's network",
                          address.to_string());
  }
  std::optional<SocketSlot> slot = state->take_slot();
  if (!slot) {
    co_return fail(ErrorKind::kOverloaded, "the guest's network has as many sockets as it may");
  }
  std::unique_ptr<internal::PortBinding> binding;
  io::SocketAddress local = io::SocketAddress::unix_path("").value_or(io::SocketAddress());
  if (!address.is_unix()) {
    auto bound = state->tcp->bind({.ip = internal::loopback_like(address.ip())});
    if (!bound) {
      co_return fail(ErrorKind::kOverloaded, "every port of the guest's network is taken");
    }
    binding = *std::move(bound);
    local = binding->address();
  }
  auto events = std::make_shared<internal::SocketEvents>(state->reactor);
  ConnectAttempt attempt({.state = state,
                          .events = events,
                          .sizes = kDefaultSizes,
                          .local = std::move(local),
                          .target = std::move(address)});
  listener->connect(attempt);
  while (attempt.pending()) {
    SELVEDGE_CO_TRY_VOID(co_await events->writable.wait(deadline));
  }
  auto end = attempt.take_end();
  if (!end) {
    co_return end.error() == Errno::kNobufs
        ? fail(ErrorKind::kOverloaded, "the guest's network has as many sockets as it may")
        : fail(ErrorKind::kDisconnected, "the guest stopped listening before it accepted");
  }
  co_return std::make_unique<internal::LoopbackStream>(*std::move(end), *std::move(slot),
                                                       std::move(binding));
}

}  // namespace

LoopbackNetwork::LoopbackNetwork(io::Reactor& reactor, std::shared_ptr<EgressNetwork> egress)
    : state_(std::make_shared<LoopbackState>(reactor, std::move(egress))) {}

LoopbackNetwork::~LoopbackNetwork() = default;

ErrnoResult<std::shared_ptr<Socket>> LoopbackNetwork::open(AddressFamily family, SockType type) {
  if (family != AddressFamily::kInet4 && family != AddressFamily::kInet6 &&
      family != AddressFamily::kUnix) {
    return refuse(Errno::kAfnosupport);
  }
  if (type != SockType::kStream && type != SockType::kDgram) {
    return refuse(Errno::kProtonosupport);
  }
  std::optional<SocketSlot> slot = state_->take_slot();
  if (!slot) {
    return refuse(Errno::kNfile);
  }
  if (type == SockType::kStream) {
    return std::make_shared<StreamSocket>(state_, *std::move(slot), family);
  }
  return std::make_shared<DatagramSocket>(state_, *std::move(slot), family);
}

ErrnoResult<SocketPair> LoopbackNetwork::open_pair(SockType type) {
  if (type != SockType::kStream && type != SockType::kDgram) {
    return refuse(Errno::kProtonosupport);
  }
  std::optional<SocketSlot> first = state_->take_slot();
  std::optional<SocketSlot> second = state_->take_slot();
  if (!first || !second) {
    return refuse(Errno::kNfile);
  }
  constexpr AddressFamily kFamily = AddressFamily::kUnix;
  if (type == SockType::kDgram) {
    auto one = std::make_shared<DatagramSocket>(state_, *std::move(first), kFamily);
    auto other = std::make_shared<DatagramSocket>(state_, *std::move(second), kFamily);
    DatagramSocket::join(*one, *other);
    return SocketPair{.first = std::move(one), .second = std::move(other)};
  }
  const auto make_end = [this] {
    return std::make_unique<StreamEnd>(
        state_, std::make_shared<internal::SocketEvents>(state_->reactor), kDefaultSizes);
  };
  auto one = make_end();
  auto other = make_end();
  const io::SocketAddress unnamed = io::SocketAddress::unix_path("").value_or(io::SocketAddress());
  StreamEnd::join(*one, *other, unnamed, unnamed);
  return SocketPair{
      .first = std::make_shared<StreamSocket>(state_, *std::move(first), kFamily, std::move(one)),
      .second =
          std::make_shared<StreamSocket>(state_, *std::move(second), kFamily, std::move(other))};
}

Errno LoopbackNetwork::bind_file(Socket& socket, const io::SocketAddress& address,
                                 SocketFile file) {
  auto& names = state_->unix_names;
  if (const auto same = names.find(address.path());
      same != names.end() && same->second->has_file()) {
    same->second->leave_text();
  }
  if (const Errno error = socket.bind(address); error != Errno::kSuccess) {
    return error;
  }
  names.find(address.path())->second->set_file(file);
  return Errno::kSuccess;
}

ErrnoResult<io::SocketAddress> LoopbackNetwork::find_file(SocketFile file) const {
  const auto found = state_->unix_files.find(file);
  if (found == state_->unix_files.end()) {
    return refuse(Errno::kConnrefused);
  }
  return found->second->way();
}

io::Task<std::unique_ptr<io::Stream>> LoopbackNetwork::connect(io::SocketAddress address,
                                                               io::Deadline deadline) {
  return connect_stream(state_, std::move(address), deadline);
}

EgressNetwork* LoopbackNetwork::egress() const noexcept { return state_->egress.get(); }

io::Event& LoopbackNetwork::listening() noexcept { return state_->listening; }

std::optional<io::SocketAddress> LoopbackNetwork::lowest_tcp_listener() const {
  const internal::PortBinding* const lowest = state_->tcp->lowest_listener();
  if (lowest == nullptr) {
    return std::nullopt;
  }
  return internal::reachable(lowest->address());
}

}  // namespace selvedge::wasix
