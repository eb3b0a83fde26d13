// The least that an HTTP server can do on this kernel: wait, read a request, write a fixed answer.
// It parses nothing, so it is no server; it shows what of a request's cost is the kernel's and no
// program's.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { events_max = 64, request_bytes_max = 4096 };

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";

static void check(int result, const char* what) {
  if (result < 0) {
    perror(what);
    exit(1);
  }
}

static int listen_at(const char* port) {
  int one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  check(listener, "socket");
  check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "SO_REUSEADDR");
  check(bind(listener, (struct sockaddr*)&address, sizeof address), "bind");
  check(listen(listener, SOMAXCONN), "listen");
  return listener;
}

static void watch(int epoll, int socket) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
}

// wrk has one request under way on a connection, so what arrives is one request.
static void answer_one(int client) {
  char request[request_bytes_max];
  if (recv(client, request, sizeof request, 0) <= 0 ||
      send(client, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) {
    close(client);
  }
}

int main(void) {
  const char* port = getenv("PORT");
  if (port == NULL) {
    fprintf(stderr, "set PORT\n");
    return 2;
  }
  int listener = listen_at(port);
  int epoll = epoll_create1(0);
  check(epoll, "epoll_create1");
  watch(epoll, listener);
  for (;;) {
    struct epoll_event events[events_max];
    int count = epoll_wait(epoll, events, events_max, -1);
    check(count, "epoll_wait");
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd != listener) {
        answer_one(events[i].data.fd);
        continue;
      }
      int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      if (client >= 0) {
        watch(epoll, client);
      }
    }
  }
}
