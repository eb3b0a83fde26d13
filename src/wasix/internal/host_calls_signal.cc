// Handlers of signals. They are the guest's own code: its runtime's `__wasm_signal`, which
// rewriting calls after each host call with what next_signal answers
// (native/src/rewrite_signals.rs).

#include <string>

#include "engine/module_info.h"
#include "wasix/host_functions.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/process_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/process.h"

namespace selvedge::wasix::internal {

namespace {

constexpr std::string_view kHandler = "__wasm_signal";

// The runtime names the exported function that takes signals; wasix-libc names another one to block
// them. Only a handler that rewriting knows can be called.
void callback_signal(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len) {
  const auto text =
      name_len > kNameBytesMax ? std::nullopt : thread.memory().read_string(name.address, name_len);
  thread.process().set_signal_delivery(text == kHandler ? SignalDelivery::kHandlers
                                                        : SignalDelivery::kBlocked);
}

// `handled`: the one whose handler has returned; 0: none has.
std::uint32_t next_signal(Thread& thread, std::uint32_t handled) {
  if (handled != 0) {
    thread.leave_handler();
  }
  return static_cast<std::uint32_t>(thread.process().take_signal(thread));
}

// Dispositions that a program has from whoever started it: none, see proc_spawn2.
Errno proc_signals_sizes_get(Thread& thread, Ptr<std::uint32_t> count) {
  return thread.memory().write(count, 0) ? Errno::kSuccess : Errno::kFault;
}

Errno proc_signals_get(Thread& /*thread*/, Ptr<std::uint8_t> /*dispositions*/) {
  return Errno::kSuccess;
}

}  // namespace

void register_wasix_signals(engine::HostFunctions& functions) {
  functions.define<&callback_signal>(kWasixModule, "callback_signal");
  functions.define<&proc_signals_get>(kWasixModule, "proc_signals_get");
  functions.define<&proc_signals_sizes_get>(kWasixModule, "proc_signals_sizes_get");
  functions.define<&next_signal>(engine::kRewriteHostModule, "next_signal");
}

}  // namespace selvedge::wasix::internal
