#pragma once

// Both ends of a simulated connection, and what is under way between them.

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "io/stream.h"
#include "io/testing/simulation.h"

namespace selvedge::io::testing {

class SimulatedStream;

// Shared by its two ends and by the events of the simulation that carry its segments.
class SimulatedConnection : public std::enable_shared_from_this<SimulatedConnection> {
 public:
  enum class Side : std::size_t { kConnecting = 0, kAccepting = 1 };

  struct End {
    SimulatedHost* host = nullptr;
    SocketAddress address;
  };

  SimulatedConnection(Simulation& simulation, End connecting, End accepting);

  // The stream of one side; once for each.
  std::unique_ptr<Stream> make_stream(Side side);

  const End& end(Side side) const noexcept { return ends_[index(side)]; }
  bool is_local() const noexcept { return ends_[0].host == ends_[1].host; }
  // Until neither end can go on: what was buffered is lost.
  void break_both() noexcept;

 private:
  friend class SimulatedStream;
  struct Segment {
    std::vector<std::byte> bytes;
    bool is_last = false;  // the sender has finished
    base::MonotonicTime arrival;
  };
  // What one side sends.
  struct Direction {
    std::deque<Segment> under_way;
    std::size_t under_way_bytes = 0;
    std::deque<std::byte> received;
    bool end_sent = false;
    bool end_received = false;
    bool sender_waits = false;
    base::MonotonicTime progress;
  };

  static constexpr std::size_t index(Side side) noexcept { return static_cast<std::size_t>(side); }
  static constexpr Side other(Side side) noexcept {
    return side == Side::kConnecting ? Side::kAccepting : Side::kConnecting;
  }
  std::size_t room(Side sender) const noexcept;
  void send(Side sender, std::vector<std::byte> bytes, bool is_last);
  void carry_next(Side sender);
  void arrive(Side sender);
  void received_some(Side receiver);
  void close_end(Side side) noexcept;

  Simulation& simulation_;
  std::array<End, 2> ends_;
  std::array<Direction, 2> directions_;
  std::array<SimulatedStream*, 2> streams_{};
  std::array<bool, 2> closed_{};
  bool broken_ = false;
};

}  // namespace selvedge::io::testing
