// A server that answers one connection at a time with a token that its instance has drawn at its
// start, and the number of requests that it has had. The path says what happens before: /sleep/N
// waits N milliseconds, /exit ends the process.
#define _GNU_SOURCE  // getentropy
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection_server.h"

static unsigned long long token;
static unsigned requests;

static void serve(int fd) {
  char request[4096];
  if (!read_request(fd, request, sizeof(request))) {
    return;
  }
  if (strncmp(request, "GET /exit", 9) == 0) {
    exit(3);
  }
  if (strncmp(request, "GET /sleep/", 11) == 0) {
    wasix_thread_sleep(strtoull(request + 11, NULL, 10) * 1000000);
  }
  char content[64];
  snprintf(content, sizeof(content), "%016llx %u\n", token, ++requests);
  char answer[256];
  snprintf(answer, sizeof(answer),
           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(content),
           content);
  send_text(fd, answer);
}

int main(void) { return getentropy(&token, sizeof(token)) == 0 ? serve_connections(serve) : 1; }
