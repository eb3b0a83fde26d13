// UDP, multicast and unix sockets inside a workload, between two sockets of one program: what its
// argument says. Prints what arrived.
#define _GNU_SOURCE  // dprintf
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasix.h>

typedef struct {
  uint8_t bytes[4];
} Address;

int32_t sock_join_multicast(int32_t fd, const Address* group, const Address* interface)
    WASIX_IMPORT(sock_join_multicast_v4);
int32_t sock_leave_multicast(int32_t fd, const Address* group, const Address* interface)
    WASIX_IMPORT(sock_leave_multicast_v4);

typedef struct {
  void* data;
  size_t size;
} Piece;

static const Address kGroup = {{239, 1, 2, 3}};
static const Address kAnyInterface = {{0, 0, 0, 0}};

static void check(const char* what, int error) {
  if (error != 0) {
    fprintf(stderr, "%s: %s\n", what, strerror(error));
    exit(1);
  }
}

static int32_t open_socket(uint8_t family, uint8_t type) {
  int32_t fd;
  check("open", wasix_sock_open(family, type, type == WASIX_SOCK_DGRAM ? WASIX_PROTO_UDP : 0, &fd));
  return fd;
}

static int32_t bound_datagram(uint8_t last, uint16_t port) {
  const int32_t fd = open_socket(WASIX_AF_INET4, WASIX_SOCK_DGRAM);
  const wasix_addr_port address =
      last == 0 ? wasix_inet4(0, 0, 0, 0, port) : wasix_inet4(127, 0, 0, last, port);
  check("bind", wasix_sock_bind(fd, &address));
  return fd;
}

static void send_text(int32_t fd, const char* text, const wasix_addr_port* to) {
  const Piece piece = {(void*)text, strlen(text)};
  uint32_t sent;
  check("send", wasix_sock_send_to(fd, &piece, 1, 0, to, &sent));
}

// Prints the next datagram with its sender's port.
static void print_received(int32_t fd) {
  char text[64];
  const Piece piece = {text, sizeof(text)};
  uint32_t size;
  uint16_t flags;
  wasix_addr_port from;
  check("receive", wasix_sock_recv_from(fd, &piece, 1, 0, &size, &flags, &from));
  printf("%.*s from port %u\n", (int)size, text, from.data[0] | from.data[1] << 8);
}

static void udp(void) {
  const int32_t first = bound_datagram(1, 5000), second = bound_datagram(1, 5001);
  const wasix_addr_port to_second = wasix_inet4(127, 0, 0, 1, 5001);
  const wasix_addr_port to_first = wasix_inet4(127, 0, 0, 1, 5000);
  send_text(first, "ping", &to_second);
  print_received(second);
  send_text(second, "pong", &to_first);
  print_received(first);
}

// Who has joined gets a copy; who has left gets none.
static void multicast(void) {
  const int32_t sender = bound_datagram(1, 5000), member = bound_datagram(0, 5353);
  const wasix_addr_port group = wasix_inet4(239, 1, 2, 3, 5353);
  const wasix_addr_port direct = wasix_inet4(127, 0, 0, 1, 5353);
  check("join", sock_join_multicast(member, &kGroup, &kAnyInterface));
  send_text(sender, "to the group", &group);
  print_received(member);
  check("leave", sock_leave_multicast(member, &kGroup, &kAnyInterface));
  send_text(sender, "to nobody", &group);
  send_text(sender, "direct", &direct);
  print_received(member);
}

static void unix_stream(void) {
  wasix_addr_port address = {.tag = WASIX_AF_UNIX, .data = "/run/service"};
  const int32_t listener = open_socket(WASIX_AF_UNIX, WASIX_SOCK_STREAM);
  check("bind", wasix_sock_bind(listener, &address));
  check("listen", wasix_sock_listen(listener, 4));
  const int32_t client = open_socket(WASIX_AF_UNIX, WASIX_SOCK_STREAM);
  check("connect", wasix_sock_connect(client, &address));
  int32_t server;
  wasix_addr_port peer;
  check("accept", wasix_sock_accept(listener, 0, &server, &peer));
  char text[64];
  dprintf(client, "hello");
  close(client);
  ssize_t count, size = 0;
  while ((count = read(server, text + size, sizeof(text) - (size_t)size)) > 0) {
    size += count;
  }
  printf("%.*s and the end\n", (int)size, text);
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "udp") == 0) {
    udp();
  } else if (strcmp(what, "multicast") == 0) {
    multicast();
  } else if (strcmp(what, "unix") == 0) {
    unix_stream();
  } else {
    return 2;
  }
  return 0;
}
