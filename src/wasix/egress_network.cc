#include "wasix/egress_network.h"

#include <algorithm>
#include <utility>

#include "wasix/dns_resolver.h"
#include "wasix/internal/loopback_address.h"

namespace selvedge::wasix {

namespace {

Errno lookup_errno(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kNotFound:
      return Errno::kNoent;
    case ErrorKind::kOverloaded:
      return Errno::kAgain;
    case ErrorKind::kTimeout:
      return Errno::kTimedout;
    case ErrorKind::kDisconnected:
      return Errno::kHostunreach;
    default:
      return Errno::kIo;
  }
}

// Of lookups that are under way, also when their guest is ended.
class Counted {
 public:
  explicit Counted(std::uint32_t& count) noexcept : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::uint32_t& count_;
};

}  // namespace

EgressNetwork::EgressNetwork(Options options) noexcept : options_(std::move(options)) {}

EgressNetwork::Slot::~Slot() {
  if (owner_ != nullptr) {
    --owner_->sockets_;
  }
}

bool EgressNetwork::is_outside(const io::SocketAddress& destination) const {
  const io::IpAddress& ip = destination.ip();
  if (destination.is_unix() || ip.is_any() || internal::is_multicast(ip)) {
    return false;
  }
  return !ip.is_loopback() || options_.policy->names(ip, destination.port());
}

Errno EgressNetwork::check(const io::SocketAddress& destination) const {
  const io::IpAddress& ip = destination.ip();
  const std::uint16_t port = destination.port();
  const bool granted =
      options_.policy->is_public(ip) && std::ranges::any_of(grants_, [&](const Grant& grant) {
        return grant.ip == ip && grant.ports.contains(port);
      });
  return granted || options_.policy->allows(ip, port) ? Errno::kSuccess : Errno::kAcces;
}

ErrnoResult<EgressNetwork::Slot> EgressNetwork::take_slot() {
  if (sockets_ >= options_.limits.sockets_max) {
    return refuse(Errno::kNfile);
  }
  ++sockets_;
  return Slot(shared_from_this());
}

std::size_t EgressNetwork::quota(std::size_t wanted) const noexcept {
  if (!options_.limits.bytes_max) {
    return wanted;
  }
  const std::uint64_t bytes_max = *options_.limits.bytes_max;
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(wanted, bytes_max - std::min(bytes_, bytes_max)));
}

void EgressNetwork::count_bytes(std::size_t bytes) noexcept { bytes_ += bytes; }

void EgressNetwork::grant(const io::IpAddress& ip, const PortRange& ports) {
  std::erase_if(grants_, [&](const Grant& other) {
    return other.ip == ip && other.ports.first == ports.first && other.ports.last == ports.last;
  });
  if (grants_.size() >= kGrantsMax) {
    grants_.pop_front();
  }
  grants_.push_back({.ip = ip, .ports = ports});
}

io::Task<Errno> EgressNetwork::resolve(std::string name, std::vector<io::IpAddress>& addresses) {
  const std::shared_ptr<EgressNetwork> self = shared_from_this();
  if (!options_.policy->allows_name(name)) {
    co_return Errno::kAcces;
  }
  if (options_.resolver == nullptr) {
    co_return Errno::kNotsup;
  }
  if (lookups_ >= kLookupsMax) {
    co_return Errno::kAgain;
  }
  const Counted counted(lookups_);
  const auto found = co_await options_.resolver->resolve(name);
  if (!found) {
    co_return lookup_errno(found.error().kind());
  }
  for (const PortRange& ports : options_.policy->ports_of_name(name)) {
    for (const io::IpAddress& ip : *found) {
      grant(ip, ports);
    }
  }
  addresses.insert(addresses.end(), found->begin(), found->end());
  co_return Errno::kSuccess;
}

}  // namespace selvedge::wasix
