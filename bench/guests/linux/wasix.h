/* sdk/include/wasix.h on Linux, as far as the benchmarks need it: the same source becomes a native
 * program, to compare with. Ids and descriptors are Linux's; each call is one system call where
 * WASIX has one. */
#ifndef WASIX_H
#define WASIX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static inline int32_t wasix_result(long result) { return result < 0 ? errno : 0; }

static inline int32_t wasix_fd_result(int result, int32_t* fd) {
  *fd = result;
  return wasix_result(result);
}

/* ---- Sockets ---- */
#define WASIX_AF_INET4 AF_INET
#define WASIX_SOCK_STREAM SOCK_STREAM
#define WASIX_PROTO_TCP IPPROTO_TCP

typedef struct sockaddr_in wasix_addr_port;

static inline wasix_addr_port wasix_inet4(uint8_t a, uint8_t b, uint8_t c, uint8_t d,
                                          uint16_t port) {
  const uint32_t address = (uint32_t)a << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | d;
  return (wasix_addr_port){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {.s_addr = htonl(address)}};
}

static inline int32_t wasix_sock_open(int family, int type, int protocol, int32_t* fd) {
  const int on = 1;
  const int32_t error = wasix_fd_result(socket(family, type, protocol), fd);
  if (error == 0) {
    setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* ports of the run before */
  }
  return error;
}

static inline int32_t wasix_sock_bind(int32_t fd, const wasix_addr_port* address) {
  return wasix_result(bind(fd, (const struct sockaddr*)address, sizeof(*address)));
}

static inline int32_t wasix_sock_listen(int32_t fd, uint32_t backlog) {
  return wasix_result(listen(fd, (int)backlog));
}

static inline int32_t wasix_sock_accept(int32_t fd, uint32_t flags, int32_t* accepted,
                                        wasix_addr_port* peer) {
  socklen_t size = sizeof(*peer);
  return wasix_fd_result(
      accept4(fd, (struct sockaddr*)peer, &size, (flags & 4) != 0 ? SOCK_NONBLOCK : 0), accepted);
}

static inline int32_t wasix_sock_connect(int32_t fd, const wasix_addr_port* address) {
  return wasix_result(connect(fd, (const struct sockaddr*)address, sizeof(*address)));
}

static inline int32_t wasix_sock_addr_local(int32_t fd, wasix_addr_port* address) {
  socklen_t size = sizeof(*address);
  return wasix_result(getsockname(fd, (struct sockaddr*)address, &size));
}

/* ---- Descriptors ---- */
#define WASIX_FD_CLOEXEC FD_CLOEXEC

static inline int32_t wasix_fd_pipe(int32_t* reader, int32_t* writer) {
  int ends[2] = {-1, -1};
  const int32_t error = wasix_result(pipe(ends));
  *reader = ends[0];
  *writer = ends[1];
  return error;
}

static inline int32_t wasix_fd_flags_set(int32_t fd, uint32_t flags) {
  return wasix_result(fcntl(fd, F_SETFD, flags));
}

#define WASIX_EPOLLIN EPOLLIN
#define WASIX_EPOLLOUT EPOLLOUT
#define WASIX_EPOLLRDHUP EPOLLRDHUP
#define WASIX_EPOLLERR EPOLLERR
#define WASIX_EPOLLHUP EPOLLHUP
#define WASIX_EPOLLET EPOLLET
#define WASIX_EPOLL_ADD EPOLL_CTL_ADD
#define WASIX_EPOLL_MOD EPOLL_CTL_MOD
#define WASIX_EPOLL_DEL EPOLL_CTL_DEL
#define WASIX_EPOLL_FOREVER UINT64_MAX

/* epoll_event(7) has the same two at its beginning. */
typedef struct {
  uint32_t events;
  int32_t fd;
  uint32_t padding;
} wasix_epoll_event;
_Static_assert(sizeof(wasix_epoll_event) == sizeof(struct epoll_event) &&
                   offsetof(wasix_epoll_event, fd) == offsetof(struct epoll_event, data),
               "layout of epoll_event");

static inline int32_t wasix_epoll_create(int32_t* fd) {
  return wasix_fd_result(epoll_create1(0), fd);
}

static inline int32_t wasix_epoll_ctl(int32_t epoll, uint32_t operation, int32_t fd,
                                      const wasix_epoll_event* event) {
  return wasix_result(epoll_ctl(epoll, (int)operation, fd, (struct epoll_event*)event));
}

static inline int32_t wasix_epoll_wait(int32_t epoll, wasix_epoll_event* events,
                                       uint32_t events_max, uint64_t timeout, uint32_t* count) {
  const int milliseconds = timeout == WASIX_EPOLL_FOREVER ? -1 : (int)(timeout / 1000000);
  const int found = epoll_wait(epoll, (struct epoll_event*)events, (int)events_max, milliseconds);
  *count = found > 0 ? (uint32_t)found : 0;
  return wasix_result(found);
}

/* ---- Processes ---- */
#define WASIX_SPAWN_CLOSE 0
#define WASIX_SPAWN_DUP2 1

typedef struct {
  uint8_t command;
  int32_t fd;
  int32_t source_fd;
} wasix_spawn_operation;

static inline int32_t wasix_proc_spawn(const char* name, size_t name_length, const char* arguments,
                                       size_t arguments_length, const char* environment,
                                       size_t environment_length,
                                       const wasix_spawn_operation* operations,
                                       size_t operation_count, const void* dispositions,
                                       size_t disposition_count, uint32_t search_path,
                                       const char* path, size_t path_length, int32_t* pid) {
  (void)name_length, (void)environment, (void)environment_length, (void)dispositions;
  (void)disposition_count, (void)search_path, (void)path, (void)path_length;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (size_t index = 0; index < operation_count; ++index) {
    const wasix_spawn_operation* operation = &operations[index];
    if (operation->command == WASIX_SPAWN_DUP2) {
      posix_spawn_file_actions_adddup2(&actions, operation->source_fd, operation->fd);
    } else {
      posix_spawn_file_actions_addclose(&actions, operation->fd);
    }
  }
  char text[256];
  char* words[16] = {NULL};
  if (arguments_length >= sizeof(text)) {
    return E2BIG;
  }
  memcpy(text, arguments, arguments_length);
  text[arguments_length] = '\0';
  char* rest = NULL;
  char* word = strtok_r(text, "\n", &rest);
  for (size_t index = 0; word != NULL && index < 15; ++index) {
    words[index] = word;
    word = strtok_r(NULL, "\n", &rest);
  }
  const int error = posix_spawn(pid, name, &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

typedef struct {
  uint8_t tag;
  int32_t pid;
} wasix_option_pid;

typedef struct {
  uint8_t tag;
  uint16_t exit_code;
} wasix_join_status;

static inline int32_t wasix_proc_join(wasix_option_pid* pid, uint32_t flags,
                                      wasix_join_status* status) {
  int result = 0;
  const int32_t error = wasix_result(waitpid(pid->pid, &result, (int)flags));
  status->tag = WIFEXITED(result) ? 1 : 2;
  status->exit_code = (uint16_t)WEXITSTATUS(result);
  return error;
}

/* ---- Threads: one besides the first ---- */
typedef struct {
  uint8_t tag;
  uint64_t nanoseconds;
} wasix_option_timestamp;

void wasi_thread_start(int32_t id, void* argument);

static pthread_t wasix_thread;

static inline void* wasix_thread_main(void* argument) {
  wasi_thread_start(1, argument);
  return NULL;
}

static inline int32_t wasi_thread_spawn(void* argument) {
  const int error = pthread_create(&wasix_thread, NULL, wasix_thread_main, argument);
  return error != 0 ? -error : 1;
}

static inline int32_t wasix_thread_join(int32_t thread) {
  (void)thread;
  return pthread_join(wasix_thread, NULL);
}

/* Without a timeout. */
static inline int32_t wasix_futex_wait(const uint32_t* futex, uint32_t expected,
                                       const wasix_option_timestamp* timeout, uint8_t* woken) {
  (void)timeout;
  *woken = 1;
  return wasix_result(syscall(SYS_futex, futex, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0));
}

static inline int32_t wasix_futex_wake(const uint32_t* futex, uint8_t* woken) {
  *woken = 1;
  return wasix_result(syscall(SYS_futex, futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

#endif
