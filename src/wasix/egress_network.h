#pragma once

// The way out of a workload's network: sockets of the host behind a policy.
//
//   auto egress = std::make_shared<EgressNetwork>(EgressNetwork::Options{
//       .network = kernel_network, .resolver = &resolver, .policy = policy});
//   auto network = std::make_shared<LoopbackNetwork>(reactor, egress);
//
// A socket goes out when it connects or sends to an address that is not one of `lo`. The policy is
// asked about that very address each time, so a name that points somewhere else tomorrow gains
// nothing. Guests do not listen outside, and what reaches a UDP socket from there are answers of
// whom it has sent to.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/network.h"
#include "io/task.h"
#include "wasix/egress_policy.h"
#include "wasix/errno_result.h"

namespace selvedge::wasix {

class DnsResolver;

struct EgressLimits {
  // Sockets of the host that the workload may have at once.
  std::uint32_t sockets_max = 256;
  // Bytes that it may send and receive in its life; what is in flight then is lost.
  std::optional<std::uint64_t> bytes_max = std::nullopt;
};

// One shard's thread. Owned together by the networks and sockets of one workload.
class EgressNetwork : public std::enable_shared_from_this<EgressNetwork> {
 public:
  // Addresses that names have led to and that name rules allow; the oldest are forgotten.
  static constexpr std::size_t kGrantsMax = 1024;
  // Names that the workload looks up at once.
  static constexpr std::uint32_t kLookupsMax = 32;

  struct Options {
    // Outlives this and all sockets.
    io::Network& network;
    // nullptr: only names that need no DNS. Outlives this.
    DnsResolver* resolver = nullptr;
    std::shared_ptr<const EgressPolicy> policy;
    EgressLimits limits = {};
  };
  explicit EgressNetwork(Options options) noexcept;
  EgressNetwork(const EgressNetwork&) = delete;
  EgressNetwork& operator=(const EgressNetwork&) = delete;

  // ---- For sockets ----

  // The right to have one socket of the host; given back by the destructor.
  class Slot {
   public:
    explicit Slot(std::shared_ptr<EgressNetwork> owner) noexcept : owner_(std::move(owner)) {}
    Slot(Slot&&) noexcept = default;
    Slot& operator=(Slot&&) = delete;
    ~Slot();

   private:
    std::shared_ptr<EgressNetwork> owner_;
  };

  // Whether it is outside of `lo`: every unicast address that is no loopback one, and those of the
  // host's loopback that an address rule names.
  bool is_outside(const io::SocketAddress& destination) const;
  // kAcces: the policy does not allow it.
  Errno check(const io::SocketAddress& destination) const;
  // kNfile: as many as the workload may have exist.
  ErrnoResult<Slot> take_slot();
  io::Network& network() const noexcept { return options_.network; }
  // Of `wanted` bytes, those that may still be sent or received.
  std::size_t quota(std::size_t wanted) const noexcept;
  void count_bytes(std::size_t bytes) noexcept;

  // ---- For guests ----

  // Appends the addresses that DNS gives for a canonical name (host_name.h) to `addresses`, which
  // outlives the task; name rules allow them from now on.
  // kAcces: the policy does not allow the name; kNoent: it does not exist or has no address;
  // kAgain: too many lookups at once; kTimedout; kHostunreach: no server can be reached, or
  // none can say; kIo: an answer is malformed; kNotsup: there is no DNS here.
  io::Task<Errno> resolve(std::string name, std::vector<io::IpAddress>& addresses);

 private:
  struct Grant {
    io::IpAddress ip;
    PortRange ports;
  };
  void grant(const io::IpAddress& ip, const PortRange& ports);

  Options options_;
  std::uint32_t sockets_ = 0;
  std::uint32_t lookups_ = 0;
  std::uint64_t bytes_ = 0;
  std::deque<Grant> grants_;
};

}  // namespace selvedge::wasix
