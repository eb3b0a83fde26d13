// A server that answers one connection at a time, and misbehaves as the path says: /exit ends the
// process before it answers, /half answers less than it announced, /garbage answers no HTTP, /spin
// never answers, /hold takes 48 MiB for as long as the process lives.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wasix.h"

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

static void serve(int fd) {
  char request[4096];
  size_t size = 0;
  while (size < sizeof(request) - 1) {
    const ssize_t count = read(fd, request + size, sizeof(request) - 1 - size);
    if (count <= 0) {
      return;
    }
    size += (size_t)count;
    request[size] = '\0';
    if (strstr(request, "\r\n\r\n") != NULL) {
      break;
    }
  }
  if (strncmp(request, "GET /exit", 9) == 0) {
    exit(3);
  }
  if (strncmp(request, "GET /spin", 9) == 0) {
    for (volatile int forever = 1; forever;) {
    }
  }
  if (strncmp(request, "GET /hold", 9) == 0) {
    const size_t bytes = (size_t)48 << 20;
    volatile char* held = malloc(bytes);
    for (size_t i = 0; held != NULL && i < bytes; i += 4096) {
      held[i] = 1;
    }
  }
  if (strncmp(request, "GET /half", 9) == 0) {
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  } else if (strncmp(request, "GET /garbage", 12) == 0) {
    send_text(fd, "this is not HTTP\r\n\r\n");
  } else {
    // The head as the gateway passed it on.
    char answer[8192];
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", size,
             request);
    send_text(fd, answer);
  }
}

int main(void) {
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
