#include "io/testing/simulated_network.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/format.h"
#include "io/testing/simulated_stream.h"

namespace selvedge::io::testing {
namespace {

// Datagrams that wait in a socket at most; more are dropped, as kernels do.
constexpr std::size_t kDatagramsWaitingMax = 1024;

IpAddress any_of_family(const IpAddress& ip) noexcept {
  return ip.is_v6() ? IpAddress::any_v6() : IpAddress::any_v4();
}

Task<> pause(Reactor& reactor, base::Duration duration) {
  co_await reactor.sleep(duration);
  co_return {};
}

}  // namespace

class SimulatedListener final : public Listener {
 public:
  SimulatedListener(SimulatedNetwork& network, SocketAddress address, std::size_t backlog)
      : network_(network),
        address_(std::move(address)),
        backlog_(backlog),
        acceptable_(network.host_.reactor()) {
    network_.listeners_[address_] = this;
  }
  ~SimulatedListener() override { withdraw(); }

  bool offer(const std::shared_ptr<SimulatedConnection>& connection) {
    if (waiting_.size() >= backlog_) {
      return false;
    }
    waiting_.push_back(connection->make_stream(SimulatedConnection::Side::kAccepting));
    acceptable_.set();
    return true;
  }

  Result<std::unique_ptr<Stream>> try_accept() override {
    if (!acceptable_.is_set() || !acceptable_.reactor().spend_inline_operation()) {
      return nullptr;
    }
    if (closed_) {
      return fail(ErrorKind::kDisconnected, "the listener is closed");
    }
    if (waiting_.empty()) {
      acceptable_.reset();
      return nullptr;
    }
    std::unique_ptr<Stream> stream = std::move(waiting_.front());
    waiting_.pop_front();
    return stream;
  }
  Event& acceptable() noexcept override { return acceptable_; }
  void close() noexcept override {
    withdraw();
    acceptable_.set();
  }
  SocketAddress local_address() const override { return address_; }

 private:
  void withdraw() noexcept {
    if (!std::exchange(closed_, true)) {
      network_.listeners_.erase(address_);
      for (const std::unique_ptr<Stream>& stream : waiting_) {
        stream->abort();
      }
      waiting_.clear();
    }
  }

  SimulatedNetwork& network_;
  SocketAddress address_;
  std::size_t backlog_;
  bool closed_ = false;
  std::deque<std::unique_ptr<Stream>> waiting_;
  Event acceptable_;
};

class SimulatedDatagramSocket final : public DatagramSocket {
 public:
  SimulatedDatagramSocket(SimulatedNetwork& network, SocketAddress address, bool reports_refusals)
      : network_(network),
        address_(std::move(address)),
        reports_refusals_(reports_refusals),
        readable_(network.host_.reactor()),
        writable_(network.host_.reactor()) {
    network_.datagram_sockets_[address_] = this;
    writable_.set();
  }
  ~SimulatedDatagramSocket() override { withdraw(); }

  Attempt try_receive(std::span<ReceivedDatagram> slots) override;
  Attempt try_send(std::span<const OutgoingDatagram> datagrams) override;
  std::optional<SocketAddress> take_refused_peer() override;
  Event& readable() noexcept override { return readable_; }
  Event& writable() noexcept override { return writable_; }
  void close() noexcept override {
    withdraw();
    readable_.set();
    writable_.set();
  }
  SocketAddress local_address() const override { return address_; }

 private:
  struct Waiting {
    std::vector<std::byte> payload;
    SocketAddress peer;
  };
  void withdraw() noexcept {
    if (!std::exchange(closed_, true)) {
      network_.datagram_sockets_.erase(address_);
    }
  }
  void carry(const OutgoingDatagram& datagram);
  // False: nobody takes it.
  static bool deliver(SimulatedHost& host, const SocketAddress& to, Waiting waiting);
  // The sender at `source`, if it still exists, is told that nobody takes what it sent to `to`.
  static void refuse(SimulatedHost& host, const SocketAddress& source, const SocketAddress& to);

  SimulatedNetwork& network_;
  SocketAddress address_;
  bool reports_refusals_;
  bool closed_ = false;
  std::deque<Waiting> waiting_;
  std::deque<SocketAddress> refused_;
  Event readable_;
  Event writable_;
};

Attempt SimulatedDatagramSocket::try_receive(std::span<ReceivedDatagram> slots) {
  if (!readable_.is_set() || !readable_.reactor().spend_inline_operation()) {
    return std::nullopt;
  }
  if (closed_) {
    return fail(ErrorKind::kDisconnected, "the datagram socket is closed");
  }
  std::size_t count = 0;
  while (count < std::min(slots.size(), kBatchMax) && !waiting_.empty()) {
    const Waiting waiting = std::move(waiting_.front());
    waiting_.pop_front();
    ReceivedDatagram& slot = slots[count++];
    slot.size = std::min(slot.buffer.size(), waiting.payload.size());
    slot.truncated = slot.size < waiting.payload.size();
    slot.peer = waiting.peer;
    std::copy_n(waiting.payload.begin(), slot.size, slot.buffer.begin());
  }
  if (count == 0) {
    readable_.reset();
    return std::nullopt;
  }
  return count;
}

Attempt SimulatedDatagramSocket::try_send(std::span<const OutgoingDatagram> datagrams) {
  if (!writable_.reactor().spend_inline_operation()) {
    return std::nullopt;
  }
  if (closed_) {
    return fail(ErrorKind::kDisconnected, "the datagram socket is closed");
  }
  const std::size_t count = std::min(datagrams.size(), kBatchMax);
  for (const OutgoingDatagram& datagram : datagrams.first(count)) {
    if (datagram.payload.size() > kPayloadBytesMax) {
      return fail(ErrorKind::kInvalid, "the datagram is too large");
    }
    carry(datagram);
  }
  return count;
}

void SimulatedDatagramSocket::carry(const OutgoingDatagram& datagram) {
  Simulation& simulation = network_.simulation_;
  const SimulationOptions& options = simulation.options();
  SimulatedHost* host = simulation.host_at(datagram.peer.ip(), network_.host_);
  if (host == nullptr || !simulation.reachable(network_.host_, *host) ||
      simulation.chance(options.datagram_loss_ppm)) {
    simulation.note("datagram lost", datagram.payload.size());
    return;
  }
  const SocketAddress source = network_.source_for(datagram.peer, address_.port());
  const int copies = simulation.chance(options.datagram_duplication_ppm) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Waiting waiting{.payload = {datagram.payload.begin(), datagram.payload.end()}, .peer = source};
    simulation.at(simulation.now() + simulation.random_latency(),
                  [host, to = datagram.peer, sender = &network_.host_, source,
                   arriving = std::move(waiting)]() mutable {
                    if (!deliver(*host, to, std::move(arriving))) {
                      refuse(*sender, source, to);
                    }
                  });
  }
}

bool SimulatedDatagramSocket::deliver(SimulatedHost& host, const SocketAddress& to,
                                      Waiting waiting) {
  SimulatedNetwork& network = host.network();
  network.simulation_.note("datagram", waiting.payload.size());
  SimulatedDatagramSocket* socket = SimulatedNetwork::find_bound(network.datagram_sockets_, to);
  if (socket != nullptr && socket->waiting_.size() < kDatagramsWaitingMax) {
    socket->waiting_.push_back(std::move(waiting));
    socket->readable_.set();
  }
  return socket != nullptr;
}

void SimulatedDatagramSocket::refuse(SimulatedHost& host, const SocketAddress& source,
                                     const SocketAddress& to) {
  SimulatedDatagramSocket* const sender =
      SimulatedNetwork::find_bound(host.network().datagram_sockets_, source);
  if (sender != nullptr && sender->reports_refusals_ &&
      sender->refused_.size() < kDatagramsWaitingMax) {
    sender->refused_.push_back(to);
    sender->readable_.set();
  }
}

std::optional<SocketAddress> SimulatedDatagramSocket::take_refused_peer() {
  if (refused_.empty()) {
    return std::nullopt;
  }
  const SocketAddress peer = refused_.front();
  refused_.pop_front();
  return peer;
}

template <class Socket>
Socket* SimulatedNetwork::find_bound(const std::map<SocketAddress, Socket*>& bound,
                                     const SocketAddress& address) noexcept {
  auto found = bound.find(address);
  if (found == bound.end() && !address.is_unix()) {
    found = bound.find(SocketAddress(any_of_family(address.ip()), address.port()));
  }
  return found == bound.end() ? nullptr : found->second;
}

bool SimulatedNetwork::offer(const std::shared_ptr<SimulatedConnection>& connection,
                             const SocketAddress& address) {
  SimulatedListener* listener = find_bound(listeners_, address);
  return listener != nullptr && listener->offer(connection);
}

SocketAddress SimulatedNetwork::source_for(const SocketAddress& to,
                                           std::uint16_t port) const noexcept {
  if (to.is_unix()) {
    return SocketAddress::unix_path("").value();
  }
  if (to.ip().is_loopback()) {
    return SocketAddress(to.ip(), port);
  }
  const auto found = std::ranges::find_if(
      host_.addresses(), [&](const IpAddress& own) { return own.is_v6() == to.ip().is_v6(); });
  return SocketAddress(found == host_.addresses().end() ? any_of_family(to.ip()) : *found, port);
}

Result<SocketAddress> SimulatedNetwork::bindable(const SocketAddress& address) const {
  const auto& own = host_.addresses();
  if (!address.is_unix() && !address.ip().is_any() && !address.ip().is_loopback() &&
      std::ranges::find(own, address.ip()) == own.end()) {
    return fail_format(ErrorKind::kNotFound, "{} is not an address of this host",
                       address.to_string());
  }
  return address;
}

std::uint16_t SimulatedNetwork::free_port() noexcept {
  next_port_ =
      next_port_ == UINT16_MAX ? kFirstFreePort : static_cast<std::uint16_t>(next_port_ + 1);
  return next_port_;
}

Result<std::unique_ptr<Listener>> SimulatedNetwork::listen(const SocketAddress& address,
                                                           const ListenOptions& options) {
  SELVEDGE_TRY(SocketAddress bound, bindable(address));
  if (!bound.is_unix() && bound.port() == 0) {
    bound = SocketAddress(bound.ip(), free_port());
  }
  if (listeners_.contains(bound)) {
    return fail_format(ErrorKind::kOverloaded, "cannot bind to {}: address in use",
                       bound.to_string());
  }
  return std::make_unique<SimulatedListener>(*this, std::move(bound),
                                             static_cast<std::size_t>(options.backlog));
}

Task<std::unique_ptr<Stream>> SimulatedNetwork::connect(SocketAddress address, Deadline deadline) {
  using Side = SimulatedConnection::Side;
  SimulatedHost* target = address.is_unix() ? &host_ : simulation_.host_at(address.ip(), host_);
  const base::MonotonicTime give_up = simulation_.now() + simulation_.options().give_up_after;
  const bool local = target == &host_;
  for (;;) {
    if (!local) {
      const base::Duration round_trip = simulation_.random_latency() + simulation_.random_latency();
      SELVEDGE_CO_TRY_VOID(co_await with_deadline(pause(host_.reactor(), round_trip), deadline));
    }
    if (target != nullptr && simulation_.reachable(host_, *target)) {
      break;
    }
    if (simulation_.now() >= give_up) {
      co_return fail_format(ErrorKind::kTimeout, "cannot connect to {}: no answer",
                            address.to_string());
    }
  }
  const std::uint16_t port = address.is_unix() ? std::uint16_t{0} : free_port();
  auto connection = std::make_shared<SimulatedConnection>(
      simulation_, SimulatedConnection::End{.host = &host_, .address = source_for(address, port)},
      SimulatedConnection::End{.host = target, .address = address});
  std::unique_ptr<Stream> stream = connection->make_stream(Side::kConnecting);
  if (!target->network().offer(connection, address)) {
    co_return fail_format(ErrorKind::kDisconnected, "cannot connect to {}: connection refused",
                          address.to_string());
  }
  simulation_.note("connect", port);
  co_return stream;
}

Result<std::unique_ptr<DatagramSocket>> SimulatedNetwork::bind_datagram(
    const SocketAddress& address, const DatagramOptions& options) {
  if (address.is_unix()) {
    return fail(ErrorKind::kUnsupported, "datagrams over unix sockets are not supported");
  }
  SELVEDGE_TRY(SocketAddress bound, bindable(address));
  if (bound.port() == 0) {
    bound = SocketAddress(bound.ip(), free_port());
  }
  if (datagram_sockets_.contains(bound)) {
    return fail_format(ErrorKind::kOverloaded, "cannot bind to {}: address in use",
                       bound.to_string());
  }
  return std::make_unique<SimulatedDatagramSocket>(*this, std::move(bound),
                                                   options.report_refusals);
}

}  // namespace selvedge::io::testing
