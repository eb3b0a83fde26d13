#pragma once

// c-ares as our event loop knows it. Its sockets are ours: it names them by numbers that we give
// out (ares_set_socket_functions), so no descriptor of the kernel is handed to it.

#include <ares.h>
#include <sys/uio.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "io/network.h"
#include "io/reactor.h"
#include "io/task_scope.h"
#include "io/timer_wheel.h"

namespace selvedge::wasix::internal {

class DnsChannel {
 public:
  DnsChannel(io::Reactor& reactor, io::Network& network) noexcept;
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;
  // Ends what is under way: each callback runs with ARES_EDESTRUCTION.
  ~DnsChannel();

  // Once, before all else. kInternal.
  Result<> open(const std::vector<io::SocketAddress>& servers);
  // As ares_query(3); `callback` may run before this returns.
  void query(const std::string& name, int type, ares_callback callback, void* argument);
  io::Reactor& reactor() const noexcept { return reactor_; }

 private:
  // Calls pump() from the loop.
  class Wake final : public io::QueuedWork {
   public:
    explicit Wake(DnsChannel& channel) noexcept : QueuedWork(&Wake::run), channel_(channel) {}

   private:
    static void run(io::QueuedWork& work) noexcept;
    DnsChannel& channel_;
  };
  // A number for c-ares; either of UDP or of TCP, and then connected some time.
  struct Socket {
    explicit Socket(DnsChannel& channel) noexcept;

    io::SocketAddress peer;
    std::unique_ptr<io::DatagramSocket> datagrams;
    std::unique_ptr<io::Stream> stream;
    bool failed = false;
    bool wants_read = false;
    bool wants_write = false;

    Wake readable;
    Wake writable;
    // Last: its task uses the rest.
    io::TaskScope connecting;

    io::Event* event(bool reading) noexcept;
  };
  class Timeout final : public io::Timer {
   public:
    explicit Timeout(DnsChannel& channel) noexcept : Timer(&Timeout::fired), channel_(channel) {}

   private:
    static void fired(io::Timer& timer) noexcept;
    DnsChannel& channel_;
  };

  // ---- What c-ares calls ----
  static ares_socket_t open_socket(int family, int type, int protocol, void* self);
  static int close_socket(ares_socket_t id, void* self);
  static int connect_socket(ares_socket_t id, const sockaddr* address, ares_socklen_t length,
                            void* self);
  static ares_ssize_t receive(ares_socket_t id, void* buffer, std::size_t size, int flags,
                              sockaddr* from, ares_socklen_t* from_length, void* self);
  static ares_ssize_t send(ares_socket_t id, const iovec* pieces, int count, void* self);
  static void state_changed(void* self, ares_socket_t id, int reading, int writing);

  Socket* find(ares_socket_t id) noexcept;
  io::Task<> connect(Socket& socket);
  // Lets c-ares do what is possible now, then waits for more.
  void pump();
  void wait();

  io::Reactor& reactor_;
  io::Network& network_;
  std::map<ares_socket_t, std::unique_ptr<Socket>> sockets_;
  ares_socket_t next_id_ = 1;
  // Those that c-ares closed while one of them was at work.
  std::vector<std::unique_ptr<Socket>> closed_;
  Timeout timeout_{*this};
  Wake pump_{*this};
  ares_channel channel_ = nullptr;
};

}  // namespace selvedge::wasix::internal
