// An HTTP/1.1 server on its own sockets: one thread, epoll, kept connections. It answers every
// request with a few words about it.
//
// Selvedge passes the requests of its gateway on to the port that it listens on, over a network in
// memory; PORT says which one to take.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "wasix.h"

enum {
  kConnectionsMax = 2048,
  kRequestBytesMax = 16384,
  kEventsMax = 64,
  kBacklog = 1024,
  kNonblocking = 4
};

typedef struct {
  char request[kRequestBytesMax];
  size_t request_size;
  char response[512];
  size_t response_size;
  size_t sent;
  int close_after;
} Connection;

static Connection* connections[kConnectionsMax];
static unsigned long requests;

static void fail(const char* what, int error) {
  fprintf(stderr, "http-server: %s: %s\n", what, strerror(error));
  exit(1);
}

static void watch(int epoll, int operation, int fd, uint32_t events) {
  wasix_epoll_event event = {.events = events, .fd = fd};
  const int error = wasix_epoll_ctl(epoll, operation, fd, &event);
  if (error != 0) {
    fail("epoll_ctl", error);
  }
}

static void drop(int epoll, int fd) {
  wasix_epoll_event none = {0};
  wasix_epoll_ctl(epoll, WASIX_EPOLL_DEL, fd, &none);
  free(connections[fd]);
  connections[fd] = NULL;
  close(fd);
}

static void accept_all(int epoll, int listener) {
  for (;;) {
    int32_t fd = -1;
    wasix_addr_port peer;
    if (wasix_sock_accept(listener, kNonblocking, &fd, &peer) != 0) {
      return;  // nobody waits
    }
    if (fd >= kConnectionsMax || (connections[fd] = calloc(1, sizeof(Connection))) == NULL) {
      close(fd);
      continue;
    }
    watch(epoll, WASIX_EPOLL_ADD, fd,
          WASIX_EPOLLIN | WASIX_EPOLLOUT | WASIX_EPOLLRDHUP | WASIX_EPOLLET);
  }
}

// Whether a line of the head that ends at `end` begins like `field`, its colon included.
static int has_field(const char* head, const char* end, const char* field) {
  const size_t size = strlen(field);
  for (const char* line = strchr(head, '\n'); line < end; line = strchr(line, '\n')) {
    line += 1;
    if (strncasecmp(line, field, size) == 0) {
      return 1;
    }
  }
  return 0;
}

// The next complete head in the buffer becomes a response; false: there is none. Requests with
// content get their answer and the connection closes, since this server does not read content.
static int answer_next(Connection* connection) {
  connection->request[connection->request_size] = '\0';
  char* end = strstr(connection->request, "\r\n\r\n");
  if (end == NULL) {
    return 0;
  }
  char method[16] = "", target[256] = "";
  sscanf(connection->request, "%15s %255s", method, target);
  const int is_head = strcmp(method, "HEAD") == 0;
  const int has_content = has_field(connection->request, end, "content-length:") ||
                          has_field(connection->request, end, "transfer-encoding:");
  connection->close_after = has_content;
  char body[320];
  const int body_size =
      snprintf(body, sizeof(body), "%s %s, request %lu\n", method, target, ++requests);
  connection->response_size = (size_t)snprintf(
      connection->response, sizeof(connection->response),
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n%s", body_size,
      connection->close_after ? "Connection: close\r\n" : "", is_head ? "" : body);
  connection->sent = 0;
  const size_t used = (size_t)(end + 4 - connection->request);
  memmove(connection->request, connection->request + used, connection->request_size - used);
  connection->request_size -= used;
  return 1;
}

// Sends what is left of the response. 1: all of it is gone; 0: no room now; -1: the connection is
// over.
static int send_response(Connection* connection, int fd) {
  while (connection->sent < connection->response_size) {
    const ssize_t count = write(fd, connection->response + connection->sent,
                                connection->response_size - connection->sent);
    if (count < 0) {
      return errno == EAGAIN ? 0 : -1;
    }
    connection->sent += (size_t)count;
  }
  return connection->close_after ? -1 : 1;
}

static void serve(int epoll, int fd) {
  Connection* connection = connections[fd];
  for (;;) {
    const int sent = send_response(connection, fd);
    if (sent < 0) {
      drop(epoll, fd);
      return;
    }
    if (sent == 0) {
      return;
    }
    if (answer_next(connection)) {
      continue;
    }
    const size_t room = sizeof(connection->request) - 1 - connection->request_size;
    const ssize_t count =
        room == 0 ? 0 : read(fd, connection->request + connection->request_size, room);
    if (count < 0 && errno == EAGAIN) {
      return;
    }
    if (count <= 0) {
      drop(epoll, fd);
      return;
    }
    connection->request_size += (size_t)count;
  }
}

int main(void) {
  const char* port = getenv("PORT");
  int32_t listener = -1, epoll = -1;
  const wasix_addr_port address =
      wasix_inet4(0, 0, 0, 0, (uint16_t)(port != NULL ? atoi(port) : 8080));
  int error = wasix_sock_open(WASIX_AF_INET4, WASIX_SOCK_STREAM, WASIX_PROTO_TCP, &listener);
  if (error == 0) {
    error = wasix_sock_bind(listener, &address);
  }
  if (error == 0) {
    error = wasix_sock_listen(listener, kBacklog);
  }
  if (error != 0) {
    fail("cannot listen", error);
  }
  fcntl(listener, F_SETFL, O_NONBLOCK);
  if ((error = wasix_epoll_create(&epoll)) != 0) {
    fail("epoll_create", error);
  }
  watch(epoll, WASIX_EPOLL_ADD, listener, WASIX_EPOLLIN);
  printf("listening on port %s\n", port != NULL ? port : "8080");
  fflush(stdout);
  for (;;) {
    wasix_epoll_event events[kEventsMax];
    uint32_t count = 0;
    if ((error = wasix_epoll_wait(epoll, events, kEventsMax, WASIX_EPOLL_FOREVER, &count)) != 0) {
      fail("epoll_wait", error);
    }
    for (uint32_t i = 0; i < count; ++i) {
      if (events[i].fd == listener) {
        accept_all(epoll, listener);
      } else if (connections[events[i].fd] != NULL) {
        serve(epoll, events[i].fd);
      }
    }
  }
}
