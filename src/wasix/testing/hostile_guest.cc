#include "wasix/testing/hostile_guest.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "engine/engine.h"
#include "engine/module_info.h"
#include "wasix/host_functions.h"

namespace selvedge::wasix::testing {

namespace {

// What arguments mean: the letters of hostile_record().
using Shape = std::pair<std::string_view, std::string_view>;
constexpr std::array<Shape, 104> kShapes{{
    {"fd_dup", "fr"},
    {"fd_dup2", "fnmr"},
    {"fd_event", "nnr"},
    {"fd_pipe", "rr"},
    {"fd_fdflags_get", "fr"},
    {"fd_fdflags_set", "fm"},
    {"chdir", "pl"},
    {"path_open2", "fmplnAAnmr"},
    {"epoll_create", "r"},
    {"epoll_ctl", "fmfe"},
    {"epoll_wait", "fenTr"},
    {"proc_exec", "plpl"},
    {"proc_exec2", "plplpl"},
    {"proc_exec3", "plplplmpl"},
    {"proc_exec4", "plSmSmmpl"},
    {"proc_spawn", "plzplpzmmmplr"},
    {"proc_spawn2", "plplplsmdmmplr"},
    {"proc_spawn3", "plSmSmsmdmmplr"},
    {"proc_raise_interval", "nTm"},
    {"proc_raise_interval2", "nrr"},
    {"proc_fork", "mr"},
    {"proc_fork_env", "r"},
    {"stack_checkpoint", "rr"},
    {"stack_restore", "rT"},
    {"context_create", "rz"},
    {"context_switch", "m"},
    {"context_destroy", "m"},
    {"dlopen", "plmplplr"},
    {"dlsym", "nplplr"},
    {"dlclose", "npl"},
    {"dl_invalid_handle", "n"},
    {"call_dynamic", "nvnrnm"},
    {"call_dynamic2", "nvmrwm"},
    {"closure_allocate", "r"},
    {"closure_prepare", "nnomomr"},
    {"closure_free", "n"},
    {"reflect_signature", "nrnrnr"},
    {"proc_id", "r"},
    {"proc_parent", "nr"},
    {"proc_join", "omr"},
    {"proc_signal", "nn"},
    {"proc_exit2", "n"},
    {"thread_spawn_v2", "nr"},
    {"thread_spawn", "nr"},
    {"thread-spawn", "n"},
    {"thread_sleep", "T"},
    {"thread_join", "n"},
    {"thread_exit", "n"},
    {"futex_wait", "wmtr"},
    {"futex_wake", "wr"},
    {"futex_wake_all", "wr"},
    {"sock_status", "fr"},
    {"sock_addr_local", "fr"},
    {"sock_addr_peer", "fr"},
    {"sock_open", "mmzr"},
    {"sock_pair", "mmzrr"},
    {"sock_set_opt_flag", "fnm"},
    {"sock_get_opt_flag", "fnr"},
    {"sock_set_opt_time", "fnt"},
    {"sock_get_opt_time", "fnr"},
    {"sock_set_opt_size", "fnT"},
    {"sock_get_opt_size", "fnr"},
    {"sock_join_multicast_v4", "fii"},
    {"sock_leave_multicast_v4", "fii"},
    {"sock_join_multicast_v6", "fim"},
    {"sock_leave_multicast_v6", "fim"},
    {"resolve", "plzrmr"},
    {"sock_bind", "fa"},
    {"sock_listen", "fn"},
    {"sock_accept", "fzrr"},
    {"sock_accept_v2", "fzrr"},
    {"sock_connect", "fa"},
    {"sock_recv_from", "fvmmrrr"},
    {"sock_recv_msg", "fvmmarnrrr"},
    {"sock_send_to", "fvmmar"},
    {"sock_send_file", "ffTTr"},
    {"sock_recv", "fvmmrr"},
    {"sock_send", "fvmmr"},
    {"sock_shutdown", "fm"},
    {"port_bridge", "plplm"},
    {"port_addr_add", "a"},
    {"port_addr_remove", "a"},
    {"port_mac", "r"},
    {"port_addr_list", "rw"},
    {"port_gateway_set", "a"},
    {"port_route_add", "aatt"},
    {"port_route_remove", "a"},
    {"port_route_list", "rw"},
    {"tty_get", "c"},
    {"tty_set", "c"},
    {"fd_read", "fvmr"},
    {"fd_write", "fvmr"},
    {"fd_close", "f"},
    {"fd_renumber", "ff"},
    {"fd_fdstat_set_flags", "fn"},
    {"fd_filestat_set_size", "fT"},
    {"poll_oneoff", "urmr"},
    {"path_open", "fmplnAAnr"},
    {"path_create_directory", "fpl"},
    {"path_unlink_file", "fpl"},
    {"path_symlink", "plfpl"},
    {"path_link", "fmplfpl"},
    {"path_rename", "fplfpl"},
    {"proc_raise", "n"},
}};

// What Asyncify adds to a module, without frames: the state is all that there is to save.
constexpr std::string_view kAsyncify = R"(
  (global $state (mut i32) (i32.const 0))
  (func (export "asyncify_start_unwind") (param i32) (global.set $state (i32.const 1)))
  (func (export "asyncify_stop_unwind") (global.set $state (i32.const 0)))
  (func (export "asyncify_start_rewind") (param i32) (global.set $state (i32.const 2)))
  (func (export "asyncify_stop_rewind") (global.set $state (i32.const 0)))
  (func (export "asyncify_get_state") (result i32) (global.get $state))
)";

std::string_view type_of(char letter) noexcept { return letter == 'I' ? "i64" : "i32"; }

std::string import_text(const HostileImport& import, std::size_t number) {
  std::string text = fmt::format("  (import \"{}\" \"{}\" (func $import{}", import.module,
                                 import.signature.name, number);
  for (const char letter : import.signature.parameters) {
    text += fmt::format(" (param {})", type_of(letter));
  }
  return text + (import.signature.has_result ? " (result i32)))\n" : "))\n");
}

bool is_offered(const engine::HostFunctions& functions, const HostileImport& import) {
  const auto wasm =
      engine::wat_to_wasm(fmt::format("(module\n{}{})", import_text(import, 0), kAsyncify));
  SELVEDGE_ASSERT(wasm.has_value());
  const auto info = engine::inspect_module(*wasm);
  return info.has_value() && functions.check_imports(*info).has_value();
}

}  // namespace

std::vector<HostileImport> hostile_imports(const engine::HostFunctions& functions) {
  std::vector<HostileImport> imports;
  const auto add = [&](HostileImport import) {
    const auto found = std::ranges::find(kShapes, import.signature.name, &Shape::first);
    if (found != kShapes.end()) {
      import.shape = found->second;
      SELVEDGE_ASSERT(import.shape.size() == import.signature.parameters.size());
    }
    if (is_offered(functions, import)) {
      imports.push_back(import);
    }
  };
  for (const ImportSignature& signature : wasix_imports()) {
    add({.module = kWasixModule, .signature = signature});
  }
  for (const ImportSignature& signature : preview1_imports()) {
    if (signature.name != "sock_accept") {
      add({.module = kWasixModule, .signature = signature});
    }
  }
  add({.module = kWasixModule, .signature = {.name = "sock_accept", .parameters = "iiii"}});
  add({.module = kWasixModule, .signature = {.name = "thread_spawn", .parameters = "ii"}});
  add({.module = "wasi", .signature = {.name = "thread-spawn", .parameters = "i"}});
  return imports;
}

std::string hostile_wat(std::span<const HostileImport> imports) {
  std::string text =
      "(module\n  (import \"env\" \"memory\" (memory 4 6 shared))\n"
      "  (import \"fuzz\" \"next\" (func $next (param i32) (result i32)))\n";
  for (std::size_t number = 0; number < imports.size(); ++number) {
    text += import_text(imports[number], number);
  }
  text += kAsyncify;
  text += "  (type $call (func (param i32) (result i32)))\n";
  // The first element is for contexts, the others are the calls.
  std::string elements = " $context";
  const auto define = [&](std::size_t number, std::string_view body) {
    text += fmt::format("  (func $call{} (type $call) {})\n", number, body);
    elements += fmt::format(" $call{}", number);
  };
  for (std::size_t number = 0; number < imports.size(); ++number) {
    std::string body = fmt::format("(call $import{}", number);
    for (std::size_t index = 0; index < imports[number].signature.parameters.size(); ++index) {
      body += fmt::format(" ({}.load offset={} (local.get 0))",
                          type_of(imports[number].signature.parameters[index]), index * 8);
    }
    define(number, body + (imports[number].signature.has_result ? ")" : ") (i32.const 0)"));
  }
  const std::size_t first = imports.size();
  define(first, "(memory.grow (i32.and (i32.load (local.get 0)) (i32.const 3)))");
  define(first + 1,
         "(memory.atomic.wait32 (i32.load (local.get 0)) (i32.load offset=8 "
         "(local.get 0)) (i64.load offset=16 (local.get 0)))");
  define(first + 2,
         "(memory.atomic.wait64 (i32.load (local.get 0)) (i64.load offset=8 "
         "(local.get 0)) (i64.load offset=16 (local.get 0)))");
  define(first + 3,
         "(memory.atomic.notify (i32.load (local.get 0)) (i32.load offset=8 "
         "(local.get 0)))");
  return text + fmt::format(R"(  (table {0} {0} funcref)
  (global (export "__stack_pointer") (mut i32) (i32.const 131072))
  (elem (i32.const 0){1})
  (func $context (call $follow (i32.const 1920)))
  (global $last (mut i32) (i32.const 0))
  (func $follow (param $base i32)
    (loop $again
      (if (i32.ne (global.get $state) (i32.const 2)) (then
        (global.set $last (call $next (local.get $base)))))
      (if (i32.ge_s (global.get $last) (i32.const 0)) (then
        (drop (call_indirect (type $call) (local.get $base)
                             (i32.add (global.get $last) (i32.const 1))))
        (br_if $again (i32.ne (global.get $state) (i32.const 1)))))))
  (func (export "_start") (call $follow (i32.const 0)))
  (func (export "wasi_thread_start") (param i32 i32)
    (call $follow (i32.mul (i32.and (local.get 0) (i32.const 15)) (i32.const 128))))
)
)",
                            first + kHostileInstructions + 1, elements);
}

std::vector<std::uint64_t> hostile_arguments(FuzzInput& input,
                                             std::span<const HostileImport> imports,
                                             std::size_t number) {
  // The instructions': a word, a small number, a duration.
  const bool is_import = number < imports.size();
  const std::string_view parameters = is_import ? imports[number].signature.parameters : "iII";
  const std::string_view shape = is_import ? imports[number].shape : "wmT";
  constexpr std::uint8_t kUnshaped = 0xE0;
  std::vector<std::uint64_t> arguments;
  std::uint32_t text = 0;
  for (std::size_t index = 0; index < parameters.size(); ++index) {
    const bool is_long = parameters[index] == 'I';
    if (shape.empty()) {
      arguments.push_back(hostile_value(input, is_long));
      continue;
    }
    const std::uint8_t choice = input.byte();
    arguments.push_back(choice >= kUnshaped ? hostile_value(input, is_long)
                                            : hostile_record(shape[index], choice, text));
  }
  return arguments;
}

}  // namespace selvedge::wasix::testing
