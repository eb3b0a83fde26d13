/* The functions of WASIX that Selvedge offers to programs beyond WASI preview 1, for C and C++
 * (module wasix_32v1, wasm32). Every function returns 0 or a WASI errno. For programs built with
 * clang and wasi-libc, whose headers know preview 1 only; a toolchain with its own WASIX library
 * does not need this file.
 *
 * What is declared here exists, and so does the rest of WASIX, which a toolchain's own library
 * uses. A module that imports a function that does not exist is refused with the name of the
 * import.
 */
#ifndef WASIX_H
#define WASIX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WASIX_IMPORT(name) __attribute__((import_module("wasix_32v1"), import_name(#name)))

/* ---- Addresses ---- */
#define WASIX_AF_INET4 1
#define WASIX_AF_INET6 2
#define WASIX_AF_UNIX 3
#define WASIX_SOCK_STREAM 1
#define WASIX_SOCK_DGRAM 2
#define WASIX_PROTO_TCP 6
#define WASIX_PROTO_UDP 17

/* `data`: for IPv4 and IPv6 the port in host order, then the address in network order (IPv6: then 8
 * bytes of flow and scope); for unix sockets the path. */
typedef struct {
  uint8_t tag; /* WASIX_AF_* */
  uint8_t padding;
  uint8_t data[108];
} wasix_addr_port;
_Static_assert(sizeof(wasix_addr_port) == 110, "layout of addr_port");

/* 127.0.0.1 and the like; the bytes in the usual order. */
static inline wasix_addr_port wasix_inet4(uint8_t a, uint8_t b, uint8_t c, uint8_t d,
                                          uint16_t port) {
  wasix_addr_port address = {WASIX_AF_INET4, 0, {(uint8_t)port, (uint8_t)(port >> 8), a, b, c, d}};
  return address;
}

/* ---- Sockets. Reading and writing also work by read(2) and write(2). ---- */
int32_t wasix_sock_open(uint8_t family, uint8_t type, uint32_t protocol, int32_t* fd)
    WASIX_IMPORT(sock_open);
int32_t wasix_sock_pair(uint8_t family, uint8_t type, uint32_t protocol, int32_t* first,
                        int32_t* second) WASIX_IMPORT(sock_pair);
#define WASIX_SOCK_OPTION_TTL 23 /* routers that what is sent passes at most: 1 to 255 */
int32_t wasix_sock_set_option(int32_t fd, uint8_t option, uint64_t value)
    WASIX_IMPORT(sock_set_opt_size);
int32_t wasix_sock_bind(int32_t fd, const wasix_addr_port* address) WASIX_IMPORT(sock_bind);
int32_t wasix_sock_listen(int32_t fd, uint32_t backlog) WASIX_IMPORT(sock_listen);
/* flags: 4 makes the new descriptor nonblocking (fdflags). */
int32_t wasix_sock_accept(int32_t fd, uint32_t flags, int32_t* accepted, wasix_addr_port* peer)
    WASIX_IMPORT(sock_accept_v2);
int32_t wasix_sock_connect(int32_t fd, const wasix_addr_port* address) WASIX_IMPORT(sock_connect);
int32_t wasix_sock_addr_local(int32_t fd, wasix_addr_port* address) WASIX_IMPORT(sock_addr_local);
int32_t wasix_sock_addr_peer(int32_t fd, wasix_addr_port* address) WASIX_IMPORT(sock_addr_peer);

/* data: iovecs, as for readv(2) and writev(2). flags: 0. */
int32_t wasix_sock_send_to(int32_t fd, const void* data, size_t data_count, uint32_t flags,
                           const wasix_addr_port* destination, uint32_t* sent)
    WASIX_IMPORT(sock_send_to);
int32_t wasix_sock_recv_from(int32_t fd, const void* data, size_t data_count, uint32_t flags,
                             uint32_t* received, uint16_t* received_flags, wasix_addr_port* from)
    WASIX_IMPORT(sock_recv_from);

/* ---- Names of hosts ---- */
typedef struct {
  uint8_t tag; /* WASIX_AF_INET4, with the first 4 bytes, or WASIX_AF_INET6 */
  uint8_t padding;
  uint8_t bytes[16];
} wasix_addr_ip;
_Static_assert(sizeof(wasix_addr_ip) == 18, "layout of addr_ip");

/* At most addresses_max of them; count: how many. Names other than localhost and numeric ones take
 * --net. */
int32_t wasix_resolve(const char* host, size_t host_length, uint16_t port, wasix_addr_ip* addresses,
                      size_t addresses_max, uint32_t* count) WASIX_IMPORT(resolve);

/* ---- Descriptors ---- */
int32_t wasix_fd_pipe(int32_t* reader, int32_t* writer) WASIX_IMPORT(fd_pipe);
int32_t wasix_fd_dup(int32_t fd, int32_t* duplicate) WASIX_IMPORT(fd_dup);
/* Children do not get a descriptor with this flag; WASIX_SPAWN_DUP2 makes copies without it. */
#define WASIX_FD_CLOEXEC 1
int32_t wasix_fd_flags_set(int32_t fd, uint32_t flags) WASIX_IMPORT(fd_fdflags_set);

/* ---- The working directory, which children inherit ----
 * wasi-libc keeps one of its own, "/" when a program begins: call both (examples/shell). */
/* size: of the buffer; then the length without the '\0' at the end. */
int32_t wasix_getcwd(char* path, uint32_t* size) WASIX_IMPORT(getcwd);
int32_t wasix_chdir(const char* path, size_t length) WASIX_IMPORT(chdir);

#define WASIX_EPOLLIN 1
#define WASIX_EPOLLOUT 2
#define WASIX_EPOLLRDHUP 4
#define WASIX_EPOLLERR 16
#define WASIX_EPOLLHUP 32
#define WASIX_EPOLLET 64
#define WASIX_EPOLLONESHOT 128
#define WASIX_EPOLL_ADD 0
#define WASIX_EPOLL_MOD 1
#define WASIX_EPOLL_DEL 2
#define WASIX_EPOLL_FOREVER UINT64_MAX

typedef struct {
  uint32_t events;
  uint32_t padding;
  uint32_t pointer; /* from here on: given back as it was */
  int32_t fd;
  uint32_t data1;
  uint32_t padding2;
  uint64_t data2;
} wasix_epoll_event;
_Static_assert(sizeof(wasix_epoll_event) == 32, "layout of epoll_event");

int32_t wasix_epoll_create(int32_t* fd) WASIX_IMPORT(epoll_create);
int32_t wasix_epoll_ctl(int32_t epoll, uint32_t operation, int32_t fd,
                        const wasix_epoll_event* event) WASIX_IMPORT(epoll_ctl);
/* timeout: nanoseconds, or WASIX_EPOLL_FOREVER. */
int32_t wasix_epoll_wait(int32_t epoll, wasix_epoll_event* events, uint32_t events_max,
                         uint64_t timeout, uint32_t* count) WASIX_IMPORT(epoll_wait);

/* ---- Processes. Lists of strings are texts with '\n' between their items. ---- */
int32_t wasix_proc_id(int32_t* pid) WASIX_IMPORT(proc_id);

#define WASIX_SPAWN_CLOSE 0
#define WASIX_SPAWN_DUP2 1
#define WASIX_SPAWN_OPEN 2
#define WASIX_SPAWN_CHDIR 3
#define WASIX_SPAWN_FCHDIR 4 /* ENOENT: the directory has moved since it was opened */

/* Something to do with the descriptors of a child before it begins. */
typedef struct {
  uint8_t command; /* WASIX_SPAWN_* */
  uint8_t padding[3];
  int32_t fd;
  int32_t source_fd; /* of WASIX_SPAWN_DUP2 */
  const char* path;
  uint32_t path_length;
  uint32_t dirflags; /* these as for path_open */
  uint16_t oflags;
  uint16_t padding2[3];
  uint64_t rights_base;
  uint64_t rights_inheriting;
  uint16_t fdflags;
  uint16_t fdflagsext;
  uint32_t padding3;
} wasix_spawn_operation;
_Static_assert(sizeof(wasix_spawn_operation) == 56, "layout of proc_spawn_fd_op");

/* No environment, or an empty one: that of the caller. search_path 1: a name without a slash is
 * looked for in `path`, or in PATH. A relative path begins in the child's working directory.
 * dispositions: two bytes each, a signal and 1 (the child ignores it) or 0. */
int32_t wasix_proc_spawn(const char* name, size_t name_length, const char* arguments,
                         size_t arguments_length, const char* environment,
                         size_t environment_length, const wasix_spawn_operation* operations,
                         size_t operation_count, const void* dispositions, size_t disposition_count,
                         uint32_t search_path, const char* path, size_t path_length, int32_t* pid)
    WASIX_IMPORT(proc_spawn2);
/* Returns only when it fails, or after wasix_proc_fork_env. */
int32_t wasix_proc_exec(const char* name, size_t name_length, const char* arguments,
                        size_t arguments_length, const char* environment, size_t environment_length,
                        uint32_t search_path, const char* path, size_t path_length)
    WASIX_IMPORT(proc_exec3);

/* vfork without Asyncify. The caller goes on as a child, whose number is in `pid`, on the same
 * stack and in the same memory: only descriptors, the working directory and signals are the child's
 * own. The next wasix_proc_exec that succeeds, or wasix_proc_exit2, is the child's and returns in
 * the parent. _Exit, as wasi-libc has it, ends both. ENOTSUP: the caller is such a child; EAGAIN:
 * too many processes. */
int32_t wasix_proc_fork_env(int32_t* pid) WASIX_IMPORT(proc_fork_env);
/* Ends the process; returns only in the parent of wasix_proc_fork_env. */
void wasix_proc_exit2(uint32_t code) WASIX_IMPORT(proc_exit2);

typedef struct {
  uint8_t tag; /* 0: any child; 1: the one of this number, where 0 is any child, too */
  uint8_t padding[3];
  int32_t pid;
} wasix_option_pid;

typedef struct {
  uint8_t tag; /* 0: none has ended (WASIX_JOIN_NONBLOCK); 1: it exited; 2: a signal ended it */
  uint8_t padding;
  uint16_t exit_code; /* with tag 1 */
  uint8_t signal;     /* with tag 2; SIGABRT for a trap, SIGKILL for a limit */
  uint8_t padding2;
} wasix_join_status;
_Static_assert(sizeof(wasix_join_status) == 6, "layout of join_status");

#define WASIX_JOIN_NONBLOCK 1
/* Waits for a child, and leaves its number in `pid`, which is 0 when none has ended. ECHILD: there
 * is no such child. */
int32_t wasix_proc_join(wasix_option_pid* pid, uint32_t flags, wasix_join_status* status)
    WASIX_IMPORT(proc_join);
/* pid 0: to all processes of the program; -1: to all others. */
int32_t wasix_proc_signal(int32_t pid, uint8_t signal) WASIX_IMPORT(proc_signal);
/* ESRCH: there is no such process. A parent of 0: it was not started by another one. */
int32_t wasix_proc_parent(int32_t pid, int32_t* parent) WASIX_IMPORT(proc_parent);

/* ---- Fork, setjmp and longjmp: only in a program that `wasm-opt -O1 --asyncify` has processed
 * ---- */
/* Returns twice: in the child with a `pid` of 0. copy_memory 1 is fork; 0 is vfork, whose parent
 * waits until the child executes another program or exits. The child has a copy of the memory in
 * both cases, and one thread. EAGAIN: too many processes; ENOMEM. */
int32_t wasix_proc_fork(uint32_t copy_memory, int32_t* pid) WASIX_IMPORT(proc_fork)
    __attribute__((returns_twice));

typedef struct {
  uint64_t user;
  uint64_t id;
  uint64_t zero;
} wasix_stack_snapshot;
_Static_assert(sizeof(wasix_stack_snapshot) == 24, "layout of stack_snapshot");

/* setjmp: returns with the value 0, and again with that of each wasix_stack_restore in the same
 * thread, as long as the calling function has not returned. ENOMEM: too many places are in use. */
int32_t wasix_stack_checkpoint(wasix_stack_snapshot* snapshot, uint64_t* value)
    WASIX_IMPORT(stack_checkpoint) __attribute__((returns_twice));
/* longjmp. A snapshot that nothing was saved in is a trap. */
_Noreturn void wasix_stack_restore(const wasix_stack_snapshot* snapshot, uint64_t value)
    WASIX_IMPORT(stack_restore);

/* ---- Contexts (coroutines): call stacks that one thread switches between ---- */
/* The one that each thread began in. */
#define WASIX_CONTEXT_MAIN 0

/* A context that begins in `entry` when it is first switched to. `entry` must not return: it
 * switches to another context, which may destroy this one. EINVAL: `entry` is no such function;
 * EAGAIN: there are too many contexts and threads; ENOTSUP: the program cannot have any (it changes
 * its table of functions itself, or loads libraries into a memory that is not shared). */
int32_t wasix_context_create(uint64_t* context, void (*entry)(void)) WASIX_IMPORT(context_create);
/* Goes on in that context, and returns when another one switches back. EINVAL: this thread has no
 * such context. */
int32_t wasix_context_switch(uint64_t context) WASIX_IMPORT(context_switch);
/* EINVAL: it is the running or the main one. One that is gone already is no error. */
int32_t wasix_context_destroy(uint64_t context) WASIX_IMPORT(context_destroy);

#ifdef __wasm__
__asm__(".globaltype __stack_pointer, i32\n");

/* As wasix_context_switch, for C: variables whose address is taken are on a stack in memory, whose
 * pointer is a global that all contexts share. So each context has an area of its own for that.
 * `stack_end`: where it ends, at a multiple of 16, when `context` begins; NULL when it goes on. */
static inline int32_t wasix_context_switch_stack(uint64_t context, void* stack_end) {
  void* own;
  __asm__ volatile("global.get __stack_pointer\nlocal.set %0" : "=r"(own));
  if (stack_end != NULL) {
    __asm__ volatile("local.get %0\nglobal.set __stack_pointer" : : "r"(stack_end) : "memory");
  }
  const int32_t result = wasix_context_switch(context);
  __asm__ volatile("local.get %0\nglobal.set __stack_pointer" : : "r"(own) : "memory");
  return result;
}
#endif

/* ---- Libraries that are loaded while the program runs: the program is linked with
 * ---- `-Wl,--export-dynamic` (what libraries use of it, with visibility "default"),
 * ---- `-Wl,--export=__stack_pointer` and `-Wl,--export-table` ---- */
#define WASIX_DL_GLOBAL 4    /* libraries that are loaded later see its symbols */
#define WASIX_DL_NOLOAD 8    /* only if it is loaded already */
#define WASIX_DL_DEEPBIND 32 /* it prefers its own symbols to those of the program */

/* Loads a library: a path, or a name that is looked for in `folders` (separated by colons), /lib,
 * /usr/lib and /usr/local/lib. Its constructors have run then. A null name means the program.
 * ENOENT; ENOEXEC: it cannot be loaded into this program; and a sentence in `error`, which ends
 * with NUL. */
int32_t wasix_dlopen(const char* name, size_t name_size, uint32_t flags, char* error,
                     size_t error_size, const char* folders, size_t folders_size, uint32_t* handle)
    WASIX_IMPORT(dlopen);
/* The address of a symbol: of a variable, or what a function pointer holds. */
int32_t wasix_dlsym(uint32_t handle, const char* symbol, size_t symbol_size, char* error,
                    size_t error_size, uintptr_t* address) WASIX_IMPORT(dlsym);
/* The handle is not valid any more. What was loaded stays. */
int32_t wasix_dlclose(uint32_t handle, char* error, size_t error_size) WASIX_IMPORT(dlclose);

/* ---- Functions of any type, by their address; programs as above ---- */
/* wasm_value_type */
#define WASIX_I32 0
#define WASIX_I64 1
#define WASIX_F32 2
#define WASIX_F64 3
#define WASIX_V128 4

typedef struct {
  uint8_t cacheable; /* 0: the function may change its type */
  uint8_t padding;
  uint16_t parameters;
  uint16_t results;
} wasix_reflection;
_Static_assert(sizeof(wasix_reflection) == 6, "layout of reflection_result");

/* The types of a function. EINVAL: there is none; EOVERFLOW: the lists are too short, and the
 * counts are in `reflection`. */
int32_t wasix_reflect_signature(uintptr_t function, uint8_t* parameters, uint16_t parameters_max,
                                uint8_t* results, uint16_t results_max,
                                wasix_reflection* reflection) WASIX_IMPORT(reflect_signature);
/* Calls a function with values that lie one behind the other in memory, and puts its results down
 * the same way. strict 1: EINVAL when the sizes are not exactly those of its values. */
int32_t wasix_call_dynamic(uintptr_t function, const void* values, size_t values_size,
                           void* results, size_t results_size, uint32_t strict)
    WASIX_IMPORT(call_dynamic);

/* A function that is made at run time: allocated, then prepared. A call of it becomes a call of
 * `backing`, which finds the arguments and leaves the results one behind the other. */
typedef void (*wasix_closure_backing)(const void* arguments, void* results, void* environment);
int32_t wasix_closure_allocate(uintptr_t* closure) WASIX_IMPORT(closure_allocate);
int32_t wasix_closure_prepare(wasix_closure_backing backing, uintptr_t closure,
                              const uint8_t* parameters, uint32_t parameter_count,
                              const uint8_t* results, uint32_t result_count, void* environment)
    WASIX_IMPORT(closure_prepare);
int32_t wasix_closure_free(uintptr_t closure) WASIX_IMPORT(closure_free);

/* ---- Threads and futexes: for modules with a shared memory ---- */
typedef struct {
  uint8_t tag; /* 0: no limit; 1: nanoseconds */
  uint8_t padding[7];
  uint64_t nanoseconds;
} wasix_option_timestamp;

int32_t wasix_thread_sleep(uint64_t nanoseconds) WASIX_IMPORT(thread_sleep);
int32_t wasix_thread_join(int32_t thread) WASIX_IMPORT(thread_join);
int32_t wasix_thread_id(int32_t* thread) WASIX_IMPORT(thread_id);
/* The cores that threads of this process can use at once. */
int32_t wasix_thread_parallelism(uint32_t* cores) WASIX_IMPORT(thread_parallelism);
int32_t wasix_futex_wait(const uint32_t* futex, uint32_t expected,
                         const wasix_option_timestamp* timeout, uint8_t* woken)
    WASIX_IMPORT(futex_wait);
int32_t wasix_futex_wake(const uint32_t* futex, uint8_t* woken) WASIX_IMPORT(futex_wake);
/* Begins the exported function `wasi_thread_start(int32_t id, void *argument)`; the thread's id, or
 * a negative errno. */
int32_t wasi_thread_spawn(void* argument)
    __attribute__((import_module("wasi"), import_name("thread-spawn")));

#ifdef __cplusplus
}
#endif

#endif
