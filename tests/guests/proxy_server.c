// A server that answers one connection at a time, and misbehaves as the path says: /exit ends the
// process before it answers, /half answers less than it announced, /garbage answers no HTTP, /spin
// never answers, /hold takes 48 MiB for as long as the process lives.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection_server.h"

static void serve(int fd) {
  char request[4096];
  if (!read_request(fd, request, sizeof(request))) {
    return;
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
             "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(request), request);
    send_text(fd, answer);
  }
}

int main(void) { return serve_connections(serve); }
