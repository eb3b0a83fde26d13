// Listens on port 8080 and answers each request with GET / of 127.0.0.1 at the port that its first
// argument says: a program that listens inside and connects outside.
#define _GNU_SOURCE
#include <stdlib.h>

#include "egress_client.h"

int main(int argc, char** argv) {
  const uint16_t port = argc > 1 ? (uint16_t)atoi(argv[1]) : 0;
  wasix_addr_port address = wasix_inet4(0, 0, 0, 0, 8080);
  int32_t listener = -1;
  if (wasix_sock_open(WASIX_AF_INET4, WASIX_SOCK_STREAM, WASIX_PROTO_TCP, &listener) != 0 ||
      wasix_sock_bind(listener, &address) != 0 || wasix_sock_listen(listener, 16) != 0) {
    return 1;
  }
  for (;;) {
    int32_t fd = -1;
    if (wasix_sock_accept(listener, 0, &fd, &address) != 0) {
      return 1;
    }
    char request[4096];
    if (read(fd, request, sizeof request) > 0) {
      FILE* out = fdopen(fd, "w");
      fprintf(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
      get(out, "127.0.0.1", port);
      fclose(out);
    } else {
      close(fd);
    }
  }
}
