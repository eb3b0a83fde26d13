// A hostile guest of WASIX: processes with threads, children, sockets and a terminal that call
// every import of wasix_32v1, in any order, with arguments that are random but often plausible. The
// threads take turns at it, so that a call waits while another thread changes what it was given,
// closes its descriptor or ends its process. When all of them wait, the host does something: types,
// connects, reads, signals. The host must not crash, hang, leak, or touch what is not the guest's;
// the sanitizers watch.
//
// The input is a program (Director::choose, Host::act).

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "io/deadline.h"
#include "wasix/internal/blocking.h"
#include "wasix/pipe.h"
#include "wasix/process.h"
#include "wasix/testing/hostile_guest.h"
#include "wasix/testing/hostile_programs.h"
#include "wasix/testing/machine.h"
#include "wasix/virtual_terminal.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using testing::FuzzInput;
using testing::HostileImport;
using testing::Machine;

constexpr std::size_t kCallsMax = 256;
constexpr std::size_t kTurnsMax = 1024;
constexpr int kSlicesMax = 4;  // in a turn
constexpr std::size_t kStartsMax = 4;
constexpr std::size_t kStreamsMax = 4;
constexpr std::chrono::milliseconds kTimeMax{100};
constexpr std::chrono::microseconds kConnectTimeMax{100};

// Decides what the guests call: all processes of a run ask the same one.
class Director {
 public:
  static constexpr std::int32_t kReturn = -1;
  // The first byte of a step: up to here a call, then the others.
  static constexpr std::uint8_t kWrite = 224;
  static constexpr std::uint8_t kWriteArgument = 238;
  static constexpr std::uint8_t kAskHost = 246;
  static constexpr std::uint8_t kEnd = 253;

  Director(FuzzInput& input, std::span<const HostileImport> imports) noexcept
      : input_(input), imports_(imports) {}

  bool ended() const noexcept { return input_.ended() || calls_ == kCallsMax; }
  bool take_host_request() noexcept { return std::exchange(host_is_asked_, false); }

  // The next call of this thread, with its arguments at `base`; nullopt: the program has ended.
  std::optional<std::int32_t> choose(Thread& thread, std::uint32_t base) {
    testing::prepare_hostile_memory(thread.memory());
    while (!ended()) {
      const std::uint8_t choice = input_.byte();
      if (choice < kWrite) {
        return call(thread, base, choice % (imports_.size() + testing::kHostileInstructions));
      }
      if (choice >= kEnd) {
        return kReturn;
      }
      if (choice >= kAskHost) {
        host_is_asked_ = true;
        return std::nullopt;
      }
      write(thread, choice);
    }
    return std::nullopt;
  }

 private:
  std::int32_t call(Thread& thread, std::uint32_t base, std::size_t number) {
    ++calls_;
    const auto arguments = testing::hostile_arguments(input_, imports_, number);
    for (std::uint32_t index = 0; index < arguments.size(); ++index) {
      static_cast<void>(
          thread.memory().write(engine::GuestPtr<std::uint64_t>{base}, arguments[index], index));
    }
    if (arguments.size() > 1) {
      recent_.push_back(arguments[input_.byte() % arguments.size()]);
    }
    if (recent_.size() > kRecentMax) {
      recent_.pop_front();
    }
    return static_cast<std::int32_t>(number);
  }

  // Into a record, or into what a recent call was given.
  void write(Thread& thread, std::uint8_t choice) {
    std::uint64_t address = 0;
    if (choice < kWriteArgument || recent_.empty()) {
      address = testing::hostile_value(input_, false);
    } else {
      address = (recent_[choice % recent_.size()] & ~std::uint32_t{0}) + input_.byte() % 32U;
    }
    const base::ByteSpan bytes = input_.bytes(choice % 8U + 1);
    if (const auto target = thread.memory().bytes(address, bytes.size())) {
      std::ranges::copy(bytes, target->begin());
    }
  }

  static constexpr std::size_t kRecentMax = 8;
  FuzzInput& input_;
  std::span<const HostileImport> imports_;
  std::size_t calls_ = 0;
  bool host_is_asked_ = false;
  std::deque<std::uint64_t> recent_;
};

struct Fixture {
  Machine machine;
  testing::HostileLoader loader{machine.reactor(), machine};
  std::vector<HostileImport> imports;
  Director* director = nullptr;  // of the run in progress
};

Fixture& fixture();

// Lets the other threads and the loop run, then asks the director.
class NextCall final : public engine::PendingCall<std::int32_t> {
 public:
  NextCall(Thread& thread, std::uint32_t base) : thread_(thread), base_(base), wake_(thread) {
    listen();
  }
  std::optional<std::int32_t> poll() override {
    Director& director = *fixture().director;
    const std::optional<std::int32_t> chosen = director.choose(thread_, base_);
    if (!chosen && !director.ended()) {
      listen();
    }
    return chosen;
  }

 private:
  void listen() noexcept { thread_.process().shard().reactor.schedule(wake_); }

  Thread& thread_;
  std::uint32_t base_;
  internal::WakeWork wake_;
};

engine::Blocking<std::int32_t> next(Thread& thread, std::uint32_t base) {
  return std::make_unique<NextCall>(thread, base);
}

Fixture& fixture() {
  static const std::unique_ptr<Fixture> instance = [] {
    auto made = std::make_unique<Fixture>();
    made->machine.functions().define<&next>("fuzz", "next");
    made->imports = testing::hostile_imports(made->machine.functions());
    SELVEDGE_ASSERT(made->imports.size() + testing::kHostileInstructions <= Director::kWrite);
    made->loader.add_programs(made->machine);
    made->loader.add(made->machine, "self", testing::hostile_wat(made->imports));
    return made;
  }();
  return *instance;
}

io::Task<bool> yield_once(io::Reactor& reactor) {
  co_await reactor.yield();
  co_return true;
}

// One workload after the other, and the host's ends of what they share.
class Host {
 public:
  explicit Host(FuzzInput& input) : input_(input), machine_(fixture().machine) {}

  void run(Director& director) {
    const base::MonotonicTime end = machine_.clock().now() + kTimeMax;
    std::size_t starts = 0;
    for (std::size_t turn = 0; turn < kTurnsMax && !director.ended(); ++turn) {
      if (machine_.clock().now() > end) {
        break;
      }
      if (process_ == nullptr || process_->status().has_value()) {
        if (starts++ == kStartsMax) {
          break;
        }
        start();
      }
      for (int slice = 0; slice < kSlicesMax && machine_.scheduler().has_work(); ++slice) {
        machine_.scheduler().run_slice();
      }
      static_cast<void>(machine_.reactor().run(yield_once(machine_.reactor())));
      if (director.take_host_request() || !machine_.scheduler().has_work()) {
        act();
      }
    }
    if (input_.byte() % 2 == 0) {
      streams_.clear();
      terminal_.reset();
    }
    process_.reset();
    static_cast<void>(machine_.reactor().run(yield_once(machine_.reactor())));
  }

 private:
  void start() {
    process_.reset();
    streams_.clear();
    const std::uint8_t choice = input_.byte();
    io::Reactor& reactor = machine_.reactor();
    ProcessOptions options{.arguments = {"fuzz", ""}, .environment = {"K=V"}};
    options.preopens.push_back(
        {.guest_path = "/", .directory = testing::hostile_tree(machine_.clock())});
    options.limits.open_handles_max = 32;
    options.limits.threads_max = 4;
    options.limits.instance.memory_bytes_max = 5 * 65'536;
    options.limits.instance.cpu_time_max = std::chrono::milliseconds(10);
    options.workload = std::make_shared<Workload>(
        reactor, WorkloadOptions{.loader = choice % 16 != 15 ? &fixture().loader : nullptr,
                                 .processes_max = 4});
    network_ = choice % 8 != 7 ? std::make_shared<LoopbackNetwork>(reactor) : nullptr;
    options.network = network_;
    const PipeEnds input = make_pipe(reactor);
    const PipeEnds output = make_pipe(reactor, {.counts_as_output = true});
    typed_ = input.writer;
    printed_ = output.reader;
    terminal_.reset();
    if (choice % 2 == 0) {
      terminal_ = VirtualTerminal::create(
          reactor, {.size = {.columns = 80, .rows = 24},
                    .on_signal = [this](Signal signal) { process_->kill(signal); }});
      options.terminal = terminal_;
      options.standard_input = terminal_->input();
      options.standard_output = terminal_->output();
    } else {
      options.standard_input = input.reader;
      options.standard_output = output.writer;
      options.limits.output_bytes_max = 10'000;
    }
    auto made =
        Process::create(machine_.shard(), fixture().loader.command("self"), std::move(options));
    SELVEDGE_ASSERT(made.has_value());
    process_ = *std::move(made);
    SELVEDGE_ASSERT(process_->start().has_value());
  }

  void act() {
    const std::uint8_t choice = input_.byte();
    switch (choice % 8) {
      case 0:
        return type(choice);
      case 1:
        return read_output();
      case 2:
        return connect();
      case 3:
      case 4:
        return use_stream(choice);
      case 5:
        return change_terminal(choice);
      case 6:
        return process_->kill(static_cast<Signal>(choice / 8));
      default:
        if (choice / 8 % 4 == 0) {
          process_.reset();
        }
    }
  }

  void type(std::uint8_t choice) {
    const base::ByteSpan bytes = input_.bytes(choice / 8);
    if (terminal_ != nullptr) {
      static_cast<void>(terminal_->receive(bytes));
    } else if (choice < 250) {
      static_cast<void>(typed_->try_write(std::span(&bytes, 1)));
    } else {
      typed_->close();
    }
  }

  void read_output() {
    std::array<std::byte, 4096> buffer;
    const base::MutableByteSpan target(buffer);
    if (terminal_ != nullptr) {
      static_cast<void>(terminal_->take_output(target));
    } else {
      static_cast<void>(printed_->try_read(std::span(&target, 1)));
    }
  }

  void connect() {
    const auto address = network_ != nullptr ? network_->lowest_tcp_listener() : std::nullopt;
    if (!address || streams_.size() == kStreamsMax) {
      return;
    }
    io::Reactor& reactor = machine_.reactor();
    auto stream = reactor.run(
        network_->connect(*address, reactor.deadline_at(machine_.clock().now() + kConnectTimeMax)));
    if (stream) {
      streams_.push_back(*std::move(stream));
    }
  }

  void use_stream(std::uint8_t choice) {
    if (streams_.empty()) {
      return;
    }
    io::Stream& stream = *streams_[choice % streams_.size()];
    std::array<std::byte, 4096> buffer{};
    const base::ByteSpan piece(buffer);
    switch (choice / 8 % 6) {
      case 0:
      case 1:
        static_cast<void>(stream.try_write(std::span(&piece, 1)));
        break;
      case 2:
      case 3:
        static_cast<void>(stream.try_read(buffer));
        break;
      case 4:
        static_cast<void>(stream.shutdown_write());
        break;
      default:
        streams_.erase(streams_.begin() + choice % static_cast<int>(streams_.size()));
    }
  }

  void change_terminal(std::uint8_t choice) {
    if (terminal_ == nullptr) {
      return;
    }
    if (choice < 240) {
      terminal_->resize({.columns = choice, .rows = 1});
    } else {
      terminal_->hang_up();
    }
  }

  FuzzInput& input_;
  Machine& machine_;
  std::shared_ptr<LoopbackNetwork> network_;
  std::shared_ptr<VirtualTerminal> terminal_;
  std::shared_ptr<PipeWriter> typed_;
  std::shared_ptr<PipeReader> printed_;
  std::vector<std::unique_ptr<io::Stream>> streams_;
  std::unique_ptr<Process> process_;
};

}  // namespace
}  // namespace selvedge::wasix

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace wasix = selvedge::wasix;
  wasix::testing::FuzzInput input(std::as_bytes(std::span<const std::uint8_t>(data, size)));
  wasix::Director director(input, wasix::fixture().imports);
  wasix::fixture().director = &director;
  wasix::Host(input).run(director);
  wasix::fixture().director = nullptr;
  return 0;
}
