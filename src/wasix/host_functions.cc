#include "wasix/host_functions.h"

#include "wasix/internal/host_calls.h"
#include "wasix/internal/registration.h"

namespace selvedge::wasix {

namespace {

using engine::HostFunctions;

// What preview 1 and snapshot 0 have in common, in the order of their witx files.
void register_common(HostFunctions& functions, std::string_view module) {
  functions.define<&internal::args_get>(module, "args_get");
  functions.define<&internal::args_sizes_get>(module, "args_sizes_get");
  functions.define<&internal::environ_get>(module, "environ_get");
  functions.define<&internal::environ_sizes_get>(module, "environ_sizes_get");
  functions.define<&internal::clock_res_get>(module, "clock_res_get");
  functions.define<&internal::clock_time_get>(module, "clock_time_get");
  functions.define<&internal::fd_advise>(module, "fd_advise");
  functions.define<&internal::fd_allocate>(module, "fd_allocate");
  functions.define<&internal::fd_close>(module, "fd_close");
  functions.define<&internal::fd_datasync>(module, "fd_datasync");
  functions.define<&internal::fd_fdstat_get>(module, "fd_fdstat_get");
  functions.define<&internal::fd_fdstat_set_flags>(module, "fd_fdstat_set_flags");
  functions.define<&internal::fd_fdstat_set_rights>(module, "fd_fdstat_set_rights");
  functions.define<&internal::fd_filestat_set_size>(module, "fd_filestat_set_size");
  functions.define<&internal::fd_filestat_set_times>(module, "fd_filestat_set_times");
  functions.define<&internal::fd_pread>(module, "fd_pread");
  functions.define<&internal::fd_prestat_get>(module, "fd_prestat_get");
  functions.define<&internal::fd_prestat_dir_name>(module, "fd_prestat_dir_name");
  functions.define<&internal::fd_pwrite>(module, "fd_pwrite");
  functions.define<&internal::fd_read>(module, "fd_read");
  functions.define<&internal::fd_readdir>(module, "fd_readdir");
  functions.define<&internal::fd_sync>(module, "fd_sync");
  functions.define<&internal::fd_tell>(module, "fd_tell");
  functions.define<&internal::fd_write>(module, "fd_write");
  functions.define<&internal::path_create_directory>(module, "path_create_directory");
  functions.define<&internal::path_filestat_set_times>(module, "path_filestat_set_times");
  functions.define<&internal::path_link>(module, "path_link");
  functions.define<&internal::path_open>(module, "path_open");
  functions.define<&internal::path_readlink>(module, "path_readlink");
  functions.define<&internal::path_remove_directory>(module, "path_remove_directory");
  functions.define<&internal::path_rename>(module, "path_rename");
  functions.define<&internal::path_symlink>(module, "path_symlink");
  functions.define<&internal::path_unlink_file>(module, "path_unlink_file");
  functions.define<&internal::proc_exit>(module, "proc_exit");
  functions.define<&internal::proc_raise>(module, "proc_raise");
  functions.define<&internal::sched_yield>(module, "sched_yield");
  functions.define<&internal::random_get>(module, "random_get");
  functions.define<&internal::sock_recv>(module, "sock_recv");
  functions.define<&internal::sock_send>(module, "sock_send");
  functions.define<&internal::sock_shutdown>(module, "sock_shutdown");
}

}  // namespace

namespace {

// Where preview 1 differs from snapshot 0.
void register_preview1_layouts(HostFunctions& functions, std::string_view module) {
  functions.define<&internal::fd_filestat_get>(module, "fd_filestat_get");
  functions.define<&internal::fd_seek>(module, "fd_seek");
  functions.define<&internal::path_filestat_get>(module, "path_filestat_get");
  functions.define<&internal::poll_oneoff>(module, "poll_oneoff");
}

}  // namespace

void register_preview1(HostFunctions& functions, std::string_view module) {
  register_common(functions, module);
  register_preview1_layouts(functions, module);
  functions.define<&internal::fd_renumber>(module, "fd_renumber");
  functions.define<&internal::sock_accept>(module, "sock_accept");
}

void register_wasix(HostFunctions& functions) {
  register_common(functions, kWasixModule);
  register_preview1_layouts(functions, kWasixModule);
  internal::register_wasix_handles(functions);
  internal::register_wasix_sockets(functions);
  internal::register_wasix_threads(functions);
  internal::register_wasix_processes(functions);
  internal::register_wasix_programs(functions);
  internal::register_wasix_fork(functions);
  internal::register_wasix_contexts(functions);
  internal::register_wasix_libraries(functions);
  internal::register_wasix_reflection(functions);
  internal::register_wasix_signals(functions);
  internal::register_wasix_ports(functions);
  internal::register_wasix_terminal(functions);
}

void register_snapshot0(HostFunctions& functions) {
  register_common(functions, kSnapshot0Module);
  functions.define<&internal::fd_renumber>(kSnapshot0Module, "fd_renumber");
  functions.define<&internal::snapshot0_fd_filestat_get>(kSnapshot0Module, "fd_filestat_get");
  functions.define<&internal::snapshot0_fd_seek>(kSnapshot0Module, "fd_seek");
  functions.define<&internal::snapshot0_path_filestat_get>(kSnapshot0Module, "path_filestat_get");
  functions.define<&internal::snapshot0_poll_oneoff>(kSnapshot0Module, "poll_oneoff");
}

}  // namespace selvedge::wasix
