// What a program pays for the operating system under it: pipes, TCP at 127.0.0.1, epoll with idle
// sockets, children. Built twice, against WASIX and against Linux, so that the same work is
// compared (bench/machine_bench.py).
//
// usage: machine PROGRAM NAME COUNT PORT     PROGRAM is this program's own path; from PORT on,
// ports are free. Prints nanoseconds per operation.
#define _GNU_SOURCE  // accept4, natively
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wasix.h>

enum { kBlockBytes = 64 << 10, kIdlePairs = 5000 };

static char block[kBlockBytes];
static const char* self;
static uint16_t next_port;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void check(const char* what, int error) {
  if (error != 0) {
    fprintf(stderr, "machine: %s: %s\n", what, strerror(error));
    exit(1);
  }
}

// ---- Sockets at 127.0.0.1, which children do not inherit ----

static int open_tcp(void) {
  int32_t fd;
  check("open a socket", wasix_sock_open(WASIX_AF_INET4, WASIX_SOCK_STREAM, WASIX_PROTO_TCP, &fd));
  check("set close-on-exec", wasix_fd_flags_set(fd, WASIX_FD_CLOEXEC));
  return fd;
}

static wasix_addr_port loopback(uint16_t port) { return wasix_inet4(127, 0, 0, 1, port); }

static int listen_at(uint16_t port) {
  const int fd = open_tcp();
  const wasix_addr_port address = loopback(port);
  check("bind", wasix_sock_bind(fd, &address));
  check("listen", wasix_sock_listen(fd, 128));
  return fd;
}

static int accept_one(int listener) {
  int32_t fd;
  wasix_addr_port peer;
  check("accept", wasix_sock_accept(listener, 0, &fd, &peer));
  check("set close-on-exec", wasix_fd_flags_set(fd, WASIX_FD_CLOEXEC));
  return fd;
}

static int connect_to(uint16_t port) {
  const int fd = open_tcp();
  const wasix_addr_port address = loopback(port);
  check("connect", wasix_sock_connect(fd, &address));
  return fd;
}

// ---- Children ----

// This program with other arguments, and `input` as descriptor 0 (-1: as it is) without `closed`.
static int spawn(const char* mode, uint16_t port, int input, int closed) {
  char arguments[64];
  snprintf(arguments, sizeof(arguments), "machine\n%s\n%u\n", mode, port);
  const wasix_spawn_operation operations[] = {
      {.command = WASIX_SPAWN_DUP2, .fd = 0, .source_fd = input},
      {.command = WASIX_SPAWN_CLOSE, .fd = input},
      {.command = WASIX_SPAWN_CLOSE, .fd = closed}};
  int32_t process;
  check("spawn", wasix_proc_spawn(self, strlen(self), arguments, strlen(arguments), NULL, 0,
                                  operations, input < 0 ? 0 : 3, NULL, 0, 0, NULL, 0, &process));
  return process;
}

static void join(int process) {
  wasix_option_pid wanted = {.tag = 1, .pid = process};
  wasix_join_status status;
  check("wait", wasix_proc_join(&wanted, 0, &status));
  check("the child", status.tag == 1 && status.exit_code == 0 ? 0 : EIO);
}

static void write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = write(fd, data, size);
    check("write", count <= 0 ? EIO : 0);
    data += count;
    size -= (size_t)count;
  }
}

static void read_byte(int fd) {
  char byte;
  check("read", read(fd, &byte, 1) != 1 ? EIO : 0);
}

// ---- What children do ----

static int drain(int fd) {
  ssize_t count;
  while ((count = read(fd, block, sizeof(block))) > 0) {
  }
  return count == 0 ? 0 : 1;
}

static int echo(int fd) {
  ssize_t count;
  while ((count = read(fd, block, sizeof(block))) > 0) {
    write_all(fd, block, (size_t)count);
  }
  return count == 0 ? 0 : 1;
}

// ---- What is measured: `count` operations ----

static void spawn_and_wait(long count) {
  for (long number = 0; number < count; ++number) {
    join(spawn("nothing", 0, -1, -1));
  }
}

// An operation is a block of 64 KiB, through a pipe to a child.
static void pipe_block(long count) {
  int32_t reader, writer;
  check("pipe", wasix_fd_pipe(&reader, &writer));
  const int child = spawn("drain", 0, reader, writer);
  close(reader);
  for (long number = 0; number < count; ++number) {
    write_all(writer, block, sizeof(block));
  }
  close(writer);
  join(child);
}

static int child_connection(const char* mode, int* child) {
  const uint16_t port = next_port++;
  const int listener = listen_at(port);
  *child = spawn(mode, port, -1, -1);
  const int connection = accept_one(listener);
  close(listener);
  return connection;
}

static void tcp_block(long count) {
  int child;
  const int connection = child_connection("connect-drain", &child);
  for (long number = 0; number < count; ++number) {
    write_all(connection, block, sizeof(block));
  }
  close(connection);
  join(child);
}

// A byte to the child and back.
static void tcp_round_trip(long count) {
  int child;
  const int connection = child_connection("connect-echo", &child);
  for (long number = 0; number < count; ++number) {
    write_all(connection, block, 1);
    read_byte(connection);
  }
  close(connection);
  join(child);
}

static void watch(int epoll, int fd) {
  const wasix_epoll_event event = {.events = WASIX_EPOLLIN, .fd = fd};
  check("epoll_ctl", wasix_epoll_ctl(epoll, WASIX_EPOLL_ADD, fd, &event));
}

// One of 10,000 watched sockets becomes readable, is found and read.
static double epoll_wake(long count) {
  const uint16_t port = next_port++;
  const int listener = listen_at(port);
  int32_t epoll;
  check("epoll_create", wasix_epoll_create(&epoll));
  static int senders[kIdlePairs];
  for (int pair = 0; pair < kIdlePairs; ++pair) {
    senders[pair] = connect_to(port);
    watch(epoll, senders[pair]);
    watch(epoll, accept_one(listener));
  }
  const double begin = now();
  for (long number = 0; number < count; ++number) {
    write_all(senders[number * 7 % kIdlePairs], block, 1);
    wasix_epoll_event event;
    uint32_t found;
    check("epoll_wait", wasix_epoll_wait(epoll, &event, 1, WASIX_EPOLL_FOREVER, &found));
    read_byte(event.fd);
  }
  return now() - begin;
}

static double measure(const char* name, long count) {
  static const struct {
    const char* name;
    void (*run)(long count);
  } kAll[] = {{"spawn_and_wait", spawn_and_wait},
              {"pipe_block", pipe_block},
              {"tcp_block", tcp_block},
              {"tcp_round_trip", tcp_round_trip}};
  if (strcmp(name, "epoll_wake") == 0) {
    return epoll_wake(count);
  }
  for (size_t index = 0; index < sizeof(kAll) / sizeof(kAll[0]); ++index) {
    if (strcmp(name, kAll[index].name) == 0) {
      kAll[index].run(count / 10 + 1);  // the first use is not measured
      const double begin = now();
      kAll[index].run(count);
      return now() - begin;
    }
  }
  check(name, EINVAL);
  return 0;
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  if (strcmp(mode, "nothing") == 0) {
    return 0;
  }
  if (strcmp(mode, "drain") == 0) {
    return drain(0);
  }
  if (argc > 2 && strcmp(mode, "connect-drain") == 0) {
    return drain(connect_to((uint16_t)atoi(argv[2])));
  }
  if (argc > 2 && strcmp(mode, "connect-echo") == 0) {
    return echo(connect_to((uint16_t)atoi(argv[2])));
  }
  if (argc != 5) {
    fprintf(stderr, "usage: machine PROGRAM NAME COUNT PORT\n");
    return 2;
  }
  self = argv[1];
  const long count = atol(argv[3]);
  next_port = (uint16_t)atoi(argv[4]);
  printf("%.1f\n", measure(argv[2], count) / (double)count);
  return 0;
}
