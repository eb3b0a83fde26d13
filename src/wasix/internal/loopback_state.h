#pragma once

// What the sockets of one LoopbackNetwork share: ports, names of unix sockets, limits.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "io/event.h"
#include "io/reactor.h"
#include "wasix/abi_socket.h"
#include "wasix/egress_network.h"
#include "wasix/internal/byte_ring.h"
#include "wasix/internal/port_table.h"
#include "wasix/loopback_network.h"

namespace selvedge::wasix::internal {

class LoopbackState;
class UnixName;

// The right to be one of the sockets of a network; given back by the destructor.
class SocketSlot {
 public:
  explicit SocketSlot(std::shared_ptr<LoopbackState> state) noexcept : state_(std::move(state)) {}
  SocketSlot(SocketSlot&&) noexcept = default;
  SocketSlot& operator=(SocketSlot&&) = delete;
  ~SocketSlot();

 private:
  std::shared_ptr<LoopbackState> state_;
};

// Owned by the network and by each of its sockets together, so that neither must outlive the other.
class LoopbackState : public std::enable_shared_from_this<LoopbackState> {
 public:
  // `way_out`: may be null.
  LoopbackState(io::Reactor& reactor, std::shared_ptr<EgressNetwork> way_out);

  // nullopt: as many as are allowed exist.
  std::optional<SocketSlot> take_slot();
  // Sockets of TCP that listen come and go.
  void listener_began() noexcept;
  void listener_ended() noexcept;

  // Whether a socket leaves this network for that address.
  bool leads_out(const io::SocketAddress& destination) const {
    return egress != nullptr && egress->is_outside(destination);
  }

  io::Reactor& reactor;
  // nullptr: there is nothing outside.
  const std::shared_ptr<EgressNetwork> egress;
  MemoryBudget budget;
  // Sockets own these together with us: a binding leaves its table when the socket goes.
  const std::shared_ptr<PortTable> tcp = std::make_shared<PortTable>();
  const std::shared_ptr<PortTable> udp = std::make_shared<PortTable>();
  std::map<std::string, UnixName*, std::less<>> unix_names;
  std::map<SocketFile, UnixName*> unix_files;
  // Set while a socket of TCP listens.
  io::Event listening;

 private:
  friend class SocketSlot;

  std::uint32_t sockets_ = 0;
  std::uint32_t listeners_ = 0;
  friend class UnixName;
  std::uint64_t texts_left_ = 0;
};

// A unix socket's hold on a name.
class UnixName {
 public:
  // kAddrinuse: somebody has it.
  static ErrnoResult<std::unique_ptr<UnixName>> bind(std::shared_ptr<LoopbackState> state,
                                                     SockType type, std::string path);
  // What has the name. kNoent: nobody (kConnrefused for an abstract one, as Linux says);
  // kPrototype: a socket of the other type.
  static ErrnoResult<UnixName*> find(const LoopbackState& state, SockType type,
                                     const std::string& path);

  UnixName(std::shared_ptr<LoopbackState> state, SockType type, std::string path);
  UnixName(const UnixName&) = delete;
  UnixName& operator=(const UnixName&) = delete;
  ~UnixName();

  // As guests are shown it.
  io::SocketAddress address() const;
  // By which find() finds it.
  io::SocketAddress way() const;

  bool has_file() const noexcept { return file_.has_value(); }
  void set_file(SocketFile file);
  // Makes room for another socket of the same text: from now on its file leads here only.
  void leave_text();

  ListenQueue* listener = nullptr;
  DatagramSocket* datagrams = nullptr;

 private:
  std::shared_ptr<LoopbackState> state_;
  SockType type_;
  std::string path_;
  std::string way_;  // in the table; the path at first
  std::optional<SocketFile> file_;
};

}  // namespace selvedge::wasix::internal
