#include "wasix/dns_resolver.h"

#include <arpa/nameser.h>

#include <array>
#include <cstring>
#include <utility>

#include "base/format.h"
#include "io/event.h"
#include "wasix/internal/dns_channel.h"

namespace selvedge::wasix {

namespace {

// What is asked about one name. Shared by who waits and the questions that are under way, because
// who waits may be gone before their answers come.
struct Lookup {
  explicit Lookup(io::Reactor& reactor) noexcept : answered(reactor) {}

  io::Event answered;
  std::array<int, 2> statuses{-1, -1};
  std::vector<io::IpAddress> v4;
  std::vector<io::IpAddress> v6;
};

struct Question {
  std::shared_ptr<Lookup> lookup;
  std::shared_ptr<std::size_t> open;
  bool is_v6;
};

int read_v4(const unsigned char* answer, int size, std::vector<io::IpAddress>& addresses) {
  std::array<ares_addrttl, DnsResolver::kAddressesMax> found{};
  auto count = static_cast<int>(found.size());
  const int status = ares_parse_a_reply(answer, size, nullptr, found.data(), &count);
  for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
    io::IpAddress::V4Bytes bytes{};
    std::memcpy(bytes.data(), &found[static_cast<std::size_t>(i)].ipaddr, bytes.size());
    addresses.push_back(io::IpAddress::v4(bytes));
  }
  return status;
}

int read_v6(const unsigned char* answer, int size, std::vector<io::IpAddress>& addresses) {
  std::array<ares_addr6ttl, DnsResolver::kAddressesMax> found{};
  auto count = static_cast<int>(found.size());
  const int status = ares_parse_aaaa_reply(answer, size, nullptr, found.data(), &count);
  for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
    io::IpAddress::V6Bytes bytes{};
    std::memcpy(bytes.data(), &found[static_cast<std::size_t>(i)].ip6addr, bytes.size());
    addresses.push_back(io::IpAddress::v6(bytes));
  }
  return status;
}

// Called by c-ares, once for each question.
void take_answer(void* argument, int status, int /*timeouts*/, unsigned char* answer, int size) {
  const std::unique_ptr<Question> question(static_cast<Question*>(argument));
  Lookup& lookup = *question->lookup;
  --*question->open;
  if (status == ARES_SUCCESS) {
    status = question->is_v6 ? read_v6(answer, size, lookup.v6) : read_v4(answer, size, lookup.v4);
  }
  lookup.statuses[question->is_v6 ? 1 : 0] = status;
  lookup.answered.notify();
}

bool says_there_is_none(int status) noexcept {
  return status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS;
}

std::unexpected<Error> failure(const std::string& name, const std::array<int, 2>& statuses) {
  if (says_there_is_none(statuses[0]) && says_there_is_none(statuses[1])) {
    return fail_format(ErrorKind::kNotFound, "the name {} has no address", name);
  }
  const int status = says_there_is_none(statuses[0]) ? statuses[1] : statuses[0];
  const ErrorKind kind = status == ARES_ETIMEOUT       ? ErrorKind::kTimeout
                         : status == ARES_ECONNREFUSED ? ErrorKind::kDisconnected
                                                       : ErrorKind::kInternal;
  return fail_format(kind, "the address of {} cannot be found out: {}", name,
                     ares_strerror(status));
}

}  // namespace

Result<std::unique_ptr<DnsResolver>> DnsResolver::create(io::Reactor& reactor, io::Network& network,
                                                         const DnsOptions& options) {
  auto channel = std::make_unique<internal::DnsChannel>(reactor, network);
  SELVEDGE_TRY_VOID(channel->open(options.servers));
  return std::make_unique<DnsResolver>(std::move(channel));
}

DnsResolver::DnsResolver(std::unique_ptr<internal::DnsChannel> channel) noexcept
    : channel_(std::move(channel)) {}

DnsResolver::~DnsResolver() = default;

io::Task<std::vector<io::IpAddress>> DnsResolver::resolve(std::string name) {
  if (*questions_ + 2 > kQuestionsMax) {
    co_return fail(ErrorKind::kOverloaded, "too many names are being looked up");
  }
  io::Reactor& reactor = channel_->reactor();
  const io::Deadline deadline = reactor.deadline_after(kResolveTimeMax);
  auto lookup = std::make_shared<Lookup>(reactor);
  for (const bool is_v6 : {false, true}) {
    ++*questions_;
    auto question =
        std::make_unique<Question>(Question{.lookup = lookup, .open = questions_, .is_v6 = is_v6});
    channel_->query(name, is_v6 ? ns_t_aaaa : ns_t_a, &take_answer, question.release());
  }
  while (lookup->statuses[0] < 0 || lookup->statuses[1] < 0) {
    // The event is never set, only told.
    if (auto waited = co_await lookup->answered.wait(deadline); !waited) {
      break;
    }
  }
  std::vector<io::IpAddress> addresses = std::move(lookup->v4);
  addresses.insert(addresses.end(), lookup->v6.begin(), lookup->v6.end());
  if (!addresses.empty()) {
    co_return addresses;
  }
  for (int& status : lookup->statuses) {
    status = status < 0 ? ARES_ETIMEOUT : status;
  }
  co_return failure(name, lookup->statuses);
}

}  // namespace selvedge::wasix
