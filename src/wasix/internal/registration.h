#pragma once

// The parts of register_wasix(), one for each subject; each is defined beside its functions.

#include "engine/host_functions.h"

namespace selvedge::wasix::internal {

// host_calls_handles.cc: descriptors, pipes, events, epoll, working directory, clock.
void register_wasix_handles(engine::HostFunctions& functions);
// host_calls_socket.cc
void register_wasix_sockets(engine::HostFunctions& functions);
// host_calls_thread.cc: threads and futexes; also the module "wasi".
void register_wasix_threads(engine::HostFunctions& functions);
// host_calls_signal.cc
void register_wasix_signals(engine::HostFunctions& functions);
// host_calls_child.cc
void register_wasix_processes(engine::HostFunctions& functions);
// host_calls_spawn.cc
void register_wasix_programs(engine::HostFunctions& functions);
// host_calls_fork.cc: fork, setjmp and longjmp.
void register_wasix_fork(engine::HostFunctions& functions);
// host_calls_context.cc
void register_wasix_contexts(engine::HostFunctions& functions);
// host_calls_dynamic.cc: dlopen and what belongs to it.
void register_wasix_libraries(engine::HostFunctions& functions);
// host_calls_reflect.cc: functions that are called by number, closures.
void register_wasix_reflection(engine::HostFunctions& functions);
// host_calls_port.cc: network interfaces.
void register_wasix_ports(engine::HostFunctions& functions);
// host_calls_terminal.cc
void register_wasix_terminal(engine::HostFunctions& functions);

}  // namespace selvedge::wasix::internal
