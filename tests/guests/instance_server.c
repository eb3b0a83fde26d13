// A server that answers one connection at a time with a token that its instance has drawn at its
// start, and the number of requests that it has had. The path says what happens before: /sleep/N
// waits N milliseconds, /exit ends the process.
#define _GNU_SOURCE  // getentropy
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wasix.h"

static unsigned long long token;
static unsigned requests;

static void serve(int fd) {
  char request[4096];
  size_t size = 0;
  do {
    const ssize_t count = read(fd, request + size, sizeof(request) - 1 - size);
    if (count <= 0) {
      return;
    }
    size += (size_t)count;
    request[size] = '\0';
  } while (size < sizeof(request) - 1 && strstr(request, "\r\n\r\n") == NULL);
  if (strncmp(request, "GET /exit", 9) == 0) {
    exit(3);
  }
  if (strncmp(request, "GET /sleep/", 11) == 0) {
    wasix_thread_sleep(strtoull(request + 11, NULL, 10) * 1000000);
  }
  char content[64];
  snprintf(content, sizeof(content), "%016llx %u\n", token, ++requests);
  char answer[256];
  const int length =
      snprintf(answer, sizeof(answer),
               "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
               strlen(content), content);
  for (int sent = 0; sent < length;) {
    const ssize_t count = write(fd, answer + sent, (size_t)(length - sent));
    if (count <= 0) {
      return;
    }
    sent += (int)count;
  }
}

int main(void) {
  if (getentropy(&token, sizeof(token)) != 0) {
    return 1;
  }
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
