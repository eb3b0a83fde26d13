#pragma once

// A listening socket's connections that wait to be accepted, and the attempts that wait for room
// among them.
//
// A connection is made when its attempt reaches a queue with room, before anybody accepts it, as
// TCP does: the client can write at once. When the queue is full the attempt waits, as Linux lets a
// client repeat its SYN; accepting makes room for the one that came first.

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>

#include "wasix/internal/stream_end.h"

namespace selvedge::wasix::internal {

class ListenQueue;

// A client's attempt to connect. The client waits for `writable` of its events and then looks.
class ConnectAttempt {
 public:
  struct Options {
    std::shared_ptr<LoopbackState> state;
    std::shared_ptr<SocketEvents> events;
    BufferSizes sizes;
    io::SocketAddress local;
    io::SocketAddress target;
  };

  explicit ConnectAttempt(Options options) noexcept : options_(std::move(options)) {}
  ConnectAttempt(const ConnectAttempt&) = delete;
  ConnectAttempt& operator=(const ConnectAttempt&) = delete;
  ~ConnectAttempt();

  bool pending() const noexcept { return queue_ != nullptr; }
  // When it is not pending: the client's end. kConnrefused: the listener went away; kNobufs: the
  // network has as many sockets as it may.
  ErrnoResult<std::unique_ptr<StreamEnd>> take_end() noexcept;

 private:
  friend class ListenQueue;
  void fail(Errno error) noexcept;

  Options options_;
  ListenQueue* queue_ = nullptr;  // while it waits there
  std::unique_ptr<StreamEnd> end_;
  Errno error_ = Errno::kConnrefused;
};

class ListenQueue {
 public:
  // `events`: those of the listening socket; `sizes`: of the connections that it accepts.
  ListenQueue(std::shared_ptr<LoopbackState> state, std::shared_ptr<SocketEvents> events,
              BufferSizes sizes, std::size_t backlog) noexcept;
  ListenQueue(const ListenQueue&) = delete;
  ListenQueue& operator=(const ListenQueue&) = delete;
  // Refuses who waits, resets what was not accepted.
  ~ListenQueue();

  std::size_t size() const noexcept { return connections_.size() + waiting_.size(); }
  bool can_accept() const noexcept { return !connections_.empty(); }
  void set_backlog(std::size_t backlog);
  // Completes the attempt now or leaves it pending.
  void connect(ConnectAttempt& attempt);
  // The oldest connection; nullptr: none.
  std::unique_ptr<StreamEnd> accept();

 private:
  friend class ConnectAttempt;
  void complete(ConnectAttempt& attempt);
  void fill();
  void forget(const ConnectAttempt& attempt) noexcept;
  void update() noexcept;

  std::shared_ptr<LoopbackState> state_;
  std::shared_ptr<SocketEvents> events_;
  BufferSizes sizes_;
  std::size_t backlog_;
  std::deque<std::unique_ptr<StreamEnd>> connections_;
  std::deque<ConnectAttempt*> waiting_;
};

}  // namespace selvedge::wasix::internal
