#pragma once

// What the test servers that answer one connection at a time have in common.

#include <string.h>
#include <unistd.h>

#include "wasix.h"

// The request up to the end of its head, as a string; 0: the peer left before.
static int read_request(int fd, char* request, size_t room) {
  size_t size = 0;
  do {
    const ssize_t count = read(fd, request + size, room - 1 - size);
    if (count <= 0) {
      return 0;
    }
    size += (size_t)count;
    request[size] = '\0';
  } while (size < room - 1 && strstr(request, "\r\n\r\n") == NULL);
  return 1;
}

static void send_text(int fd, const char* text) {
  size_t left = strlen(text);
  while (left > 0) {
    const ssize_t count = write(fd, text, left);
    if (count <= 0) {
      return;
    }
    text += count;
    left -= (size_t)count;
  }
}

// Calls `serve` with each connection at port 3000. Returns the exit code of what goes wrong.
static int serve_connections(void (*serve)(int fd)) {
  const wasix_addr_port address = wasix_inet4(127, 0, 0, 1, 3000);
  int32_t listener = -1;
  if (wasix_sock_open(WASIX_AF_INET4, WASIX_SOCK_STREAM, WASIX_PROTO_TCP, &listener) != 0 ||
      wasix_sock_bind(listener, &address) != 0 || wasix_sock_listen(listener, 64) != 0) {
    return 1;
  }
  for (;;) {
    int32_t fd = -1;
    wasix_addr_port peer;
    if (wasix_sock_accept(listener, 0, &fd, &peer) != 0) {
      return 2;
    }
    serve(fd);
    close(fd);
  }
}
