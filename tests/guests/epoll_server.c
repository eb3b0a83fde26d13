// A server on epoll and its clients in one program: as many connections at once as the argument
// says, over the network in memory. Each client sends a byte and gets it back.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "wasix.h"

enum { kConnectionsMax = 10000, kEventsMax = 256, kPort = 3000 };

static int32_t listener = -1;
static int32_t epoll = -1;
static int32_t clients[kConnectionsMax];

static void fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void watch(int32_t fd) {
  const wasix_epoll_event event = {.events = WASIX_EPOLLIN, .fd = fd};
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
      wasix_epoll_ctl(epoll, WASIX_EPOLL_ADD, fd, &event) != 0) {
    fail("a descriptor cannot be watched");
  }
}

static void accept_all(void) {
  enum { kAgain = 6 };
  int32_t accepted = -1;
  wasix_addr_port peer;
  int32_t error;
  while ((error = wasix_sock_accept(listener, 0, &accepted, &peer)) == 0) {
    watch(accepted);
  }
  if (error != kAgain) {
    fail("a connection cannot be accepted");
  }
}

// Accepts and echoes what is there now; how many bytes.
static int serve(void) {
  static wasix_epoll_event events[kEventsMax];
  int echoed = 0;
  for (;;) {
    uint32_t count = 0;
    if (wasix_epoll_wait(epoll, events, kEventsMax, 0, &count) != 0) {
      fail("epoll_wait");
    }
    if (count == 0) {
      return echoed;
    }
    for (uint32_t index = 0; index < count; ++index) {
      const int32_t fd = events[index].fd;
      if (fd == listener) {
        accept_all();
        continue;
      }
      unsigned char byte = 0;
      while (read(fd, &byte, 1) == 1) {
        if (write(fd, &byte, 1) != 1) {
          fail("an echo was not sent");
        }
        ++echoed;
      }
    }
  }
}

int main(int argc, char** argv) {
  const int wanted = argc > 1 ? atoi(argv[1]) : 0;
  const wasix_addr_port address = wasix_inet4(127, 0, 0, 1, kPort);
  if (wanted < 1 || wanted > kConnectionsMax ||
      wasix_sock_open(WASIX_AF_INET4, WASIX_SOCK_STREAM, WASIX_PROTO_TCP, &listener) != 0 ||
      wasix_sock_bind(listener, &address) != 0 || wasix_sock_listen(listener, 64) != 0 ||
      wasix_epoll_create(&epoll) != 0) {
    fail("it cannot begin");
  }
  watch(listener);
  for (int index = 0; index < wanted; ++index) {
    if (wasix_sock_open(WASIX_AF_INET4, WASIX_SOCK_STREAM, WASIX_PROTO_TCP, &clients[index]) != 0 ||
        wasix_sock_connect(clients[index], &address) != 0) {
      fail("a client cannot connect");
    }
    serve();
  }
  int echoed = 0;
  for (int index = 0; index < wanted; ++index) {
    const unsigned char byte = (unsigned char)index;
    if (write(clients[index], &byte, 1) != 1) {
      fail("a client cannot send");
    }
    if (index % kEventsMax == 0) {
      echoed += serve();
    }
  }
  echoed += serve();
  for (int index = 0; index < wanted; ++index) {
    unsigned char byte = 0;
    if (read(clients[index], &byte, 1) != 1 || byte != (unsigned char)index) {
      fail("a client got something else");
    }
  }
  printf("%d connections, %d echoes\n", wanted, echoed);
  return 0;
}
