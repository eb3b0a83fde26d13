#include "app/internal/local_instance.h"

#include <utility>

#include "app/internal/relay.h"
#include "io/shard_stream.h"

namespace selvedge::app::internal {

// The program as its ProxyRunner sees it.
class LocalInstance::Watched final : public UpstreamInstance {
 public:
  Watched(io::Reactor& reactor, OwnedInstance& program, InstancePlaces& places,
          std::size_t number) noexcept
      : reactor_(reactor), program_(program), places_(places), number_(number), end_(*this) {
    program.ended().observe(end_);
  }

  Result<> start() override {
    listens_ = false;
    places_.scaler().starting(number_);
    auto started = program_.start();
    if (!started.has_value()) {
      places_.down(number_);
    }
    return started;
  }
  io::Task<std::unique_ptr<io::Stream>> connect(io::Deadline deadline) override {
    return listens_ ? program_.connect(deadline) : connect_first(deadline);
  }
  io::Event& ended() noexcept override { return program_.ended(); }
  std::string end_reason() const override { return program_.end_reason(); }
  // By a supervisor that finds it unhealthy, or at its end for good.
  void request_stop() noexcept override {
    places_.scaler().ill(number_);
    program_.request_stop();
  }
  void kill() noexcept override { program_.kill(); }

 private:
  class End final : public io::EventObserver {
   public:
    explicit End(Watched& owner) noexcept : EventObserver(&End::told), owner_(owner) {}

   private:
    static void told(io::EventObserver& observer) noexcept {
      const Watched& owner = static_cast<End&>(observer).owner_;
      owner.places_.down(owner.number_);
    }
    Watched& owner_;
  };

  io::Task<std::unique_ptr<io::Stream>> connect_first(io::Deadline deadline) {
    auto stream = co_await program_.connect(deadline);
    if (stream.has_value() && !program_.ended().is_set() && !listens_) {
      listens_ = true;
      places_.listening(number_, reactor_.now());
    }
    co_return stream;
  }

  io::Reactor& reactor_;
  OwnedInstance& program_;
  InstancePlaces& places_;
  std::size_t number_;
  bool listens_ = false;
  End end_;
};

LocalInstance::LocalInstance(io::Reactor& reactor, InstancePlaces& places, base::Random& random,
                             Options options)
    : reactor_(reactor),
      number_(options.number),
      program_(std::move(options.program)),
      watched_(std::make_unique<Watched>(reactor, *program_, places, number_)),
      closed_(reactor),
      scope_(reactor) {
  if (options.one_at_a_time) {
    turns_.emplace(reactor, 1, InstancePlaces::kWaitingMax);
    options.health.turns = &*turns_;
  }
  proxy_ = std::make_unique<ProxyRunner>(reactor, *watched_, random, options.limits,
                                         std::move(options.health), std::move(options.log));
  proxy_->start();
}

LocalInstance::~LocalInstance() = default;

io::Task<> LocalInstance::handle(HttpExchange& exchange, io::Deadline turn_deadline) {
  return turns_.has_value() ? handle_in_turn(exchange, turn_deadline) : proxy_->handle(exchange);
}

io::Task<> LocalInstance::handle_in_turn(HttpExchange& exchange, io::Deadline turn_deadline) {
  SELVEDGE_CO_TRY([[maybe_unused]] const auto turn, co_await take_turn(turn_deadline));
  co_return co_await proxy_->handle(exchange);
}

io::Task<std::unique_ptr<io::Stream>> LocalInstance::connect_for(io::Reactor& peer,
                                                                 io::Deadline deadline) {
  SELVEDGE_CO_TRY(auto turn, co_await take_turn(deadline));
  SELVEDGE_CO_TRY_VOID(co_await proxy_->wait_until_ready(deadline));
  SELVEDGE_CO_TRY(auto stream, co_await watched_->connect(deadline));
  auto ends = io::make_shard_stream_pair(reactor_, peer);
  if (!scope_.spawn(carry(std::move(stream), std::move(ends.first), std::move(turn)))) {
    co_return fail(ErrorKind::kDisconnected, "the instance is being ended");
  }
  co_return std::move(ends.second);
}

io::Task<> LocalInstance::wait_until_healthy(io::Deadline deadline) {
  return proxy_->wait_until_healthy(deadline);
}

io::Task<std::optional<Admission::Permit>> LocalInstance::take_turn(io::Deadline deadline) {
  if (!turns_.has_value()) {
    co_return std::optional<Admission::Permit>();
  }
  SELVEDGE_CO_TRY(auto permit, co_await turns_->enter(deadline));
  co_return std::optional(std::move(permit));
}

// `turn` is held for as long as the connection lasts.
io::Task<> LocalInstance::carry(std::unique_ptr<io::Stream> instance,
                                std::unique_ptr<io::Stream> peer,
                                [[maybe_unused]] std::optional<Admission::Permit> turn) {
  co_return co_await relay(reactor_, std::move(instance), std::move(peer));
}

io::Task<> LocalInstance::close(io::Deadline grace) {
  ending_ = true;
  scope_.cancel();
  [[maybe_unused]] const auto carried = co_await scope_.close();
  [[maybe_unused]] const auto stopped = co_await proxy_->stop(grace);
  auto closed = co_await program_->close();
  closed_.set();
  co_return closed;
}

}  // namespace selvedge::app::internal
