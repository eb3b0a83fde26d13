// A chat: every message of a client goes to all clients. One thread, epoll; client.h has what
// belongs to one connection, http.h the page and the upgrade, websocket.h the messages.
//
// Selvedge passes requests, and after the upgrade all bytes, on to the port that PORT names.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "http.h"
#include "wasix.h"

enum {
  kClientsMax = 512,  // descriptors
  kEventsMax = 64,
  kBacklog = 128,
  kNonblocking = 4,
  kPingSeconds = 60  // the gateway ends connections that are silent for five minutes
};

static Client* clients[kClientsMax];  // by descriptor
static unsigned guests;

static void fail(const char* what, int error) {
  fprintf(stderr, "chat: %s: %s\n", what, strerror(error));
  exit(1);
}

static void watch(int epoll, int fd, uint32_t events) {
  const wasix_epoll_event event = {.events = events, .fd = fd};
  const int error = wasix_epoll_ctl(epoll, WASIX_EPOLL_ADD, fd, &event);
  if (error != 0) {
    fail("epoll_ctl", error);
  }
}

static void accept_all(int epoll, int listener) {
  for (;;) {
    int32_t fd = -1;
    wasix_addr_port peer;
    if (wasix_sock_accept(listener, kNonblocking, &fd, &peer) != 0) {
      return;  // nobody waits
    }
    if (fd >= kClientsMax || (clients[fd] = calloc(1, sizeof(Client))) == NULL) {
      close(fd);
      continue;
    }
    clients[fd]->fd = fd;
    watch(epoll, fd, WASIX_EPOLLIN | WASIX_EPOLLOUT | WASIX_EPOLLRDHUP | WASIX_EPOLLET);
  }
}

static void drop(int epoll, int fd) {
  const wasix_epoll_event none = {0};
  wasix_epoll_ctl(epoll, WASIX_EPOLL_DEL, fd, &none);
  free(clients[fd]);
  clients[fd] = NULL;
  close(fd);
}

static void send_to_guests(int opcode, const void* bytes, size_t size) {
  for (int fd = 0; fd < kClientsMax; ++fd) {
    if (clients[fd] != NULL && clients[fd]->number != 0) {
      send_frame(clients[fd], opcode, bytes, size);
    }
  }
}

static void broadcast(const Client* from, const Message* message) {
  char text[kMessageBytesMax + 32];
  const int name = snprintf(text, sizeof(text), "guest %u: ", from->number);
  memcpy(text + name, message->data, message->size);
  send_to_guests(kText, text, (size_t)name + message->size);
}

// False: there is no whole message.
static int handle_message(Client* client) {
  size_t used = 0;
  Message message;
  int status = kNormal;
  const ReadResult result =
      read_message(&client->reader, client->input, client->input_size, &used, &message, &status);
  if (result == kBroken) {
    send_close(client, status);
    return 0;
  }
  if (result == kMessage) {
    switch (message.opcode) {
      case kText:
        broadcast(client, &message);
        break;
      case kPing:
        send_frame(client, kPong, message.data, message.size);
        break;
      case kClose:
        send_close(client, kNormal);
        break;
    }
  }
  consume_input(client, used);
  return result == kMessage;
}

static void handle_input(Client* client) {
  while (!client->is_gone && !client->close_after) {
    if (client->number != 0) {
      if (!handle_message(client)) {
        return;
      }
      continue;
    }
    const int answered = answer_request(client);
    if (answered == 0) {
      return;
    }
    if (answered == 2) {
      client->number = ++guests;
    }
  }
}

static void serve(Client* client) {
  flush_output(client);
  handle_input(client);
  while (read_input(client)) {
    handle_input(client);
  }
}

static int open_listener(void) {
  const char* const port = getenv("PORT");
  const wasix_addr_port address =
      wasix_inet4(0, 0, 0, 0, (uint16_t)(port != NULL ? atoi(port) : 8080));
  int32_t listener = -1;
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
  return listener;
}

static void ping_guests(void) {
  static time_t last;
  const time_t now = time(NULL);
  if (now - last >= kPingSeconds) {
    last = now;
    send_to_guests(kPing, "", 0);
  }
}

int main(void) {
  if (!load_page("/site/index.html")) {
    fail("/site/index.html", errno);
  }
  int32_t epoll = -1;
  int error = wasix_epoll_create(&epoll);
  if (error != 0) {
    fail("epoll_create", error);
  }
  const int listener = open_listener();
  watch(epoll, listener, WASIX_EPOLLIN);
  for (;;) {
    wasix_epoll_event events[kEventsMax];
    uint32_t count = 0;
    error = wasix_epoll_wait(epoll, events, kEventsMax, kPingSeconds * 1000000000ULL, &count);
    if (error != 0) {
      fail("epoll_wait", error);
    }
    for (uint32_t i = 0; i < count; ++i) {
      if (events[i].fd == listener) {
        accept_all(epoll, listener);
      } else if (clients[events[i].fd] != NULL) {
        serve(clients[events[i].fd]);
      }
    }
    ping_guests();
    for (int fd = 0; fd < kClientsMax; ++fd) {
      if (clients[fd] != NULL && clients[fd]->is_gone) {
        drop(epoll, fd);
      }
    }
  }
}
