// What guests that talk to the outside share: one request, one datagram, one name. Each prints its
// result on `out`, or one line with the step that failed and its errno.
#ifndef EGRESS_CLIENT_H
#define EGRESS_CLIENT_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wasi/api.h>
#include <wasix.h>

static inline int failed(FILE* out, const char* step, int error) {
  fprintf(out, "%s: %d\n", step, error);
  return 1;
}

static inline int find(FILE* out, const char* host, uint16_t port, wasix_addr_port* address) {
  wasix_addr_ip ip;
  uint32_t count = 0;
  int error = wasix_resolve(host, strlen(host), port, &ip, 1, &count);
  if (error != 0) {
    return failed(out, "resolve", error);
  }
  memset(address, 0, sizeof *address);
  address->tag = ip.tag;
  address->data[0] = (uint8_t)port;
  address->data[1] = (uint8_t)(port >> 8);
  memcpy(address->data + 2, ip.bytes, sizeof ip.bytes);
  return 0;
}

// GET / of an HTTP server, with the direction to it closed after the request.
static inline int get(FILE* out, const char* host, uint16_t port) {
  static const char kRequest[] = "GET / HTTP/1.0\r\n\r\n";
  wasix_addr_port address;
  if (find(out, host, port, &address) != 0) {
    return 1;
  }
  int32_t fd = -1;
  int error = wasix_sock_open(address.tag, WASIX_SOCK_STREAM, WASIX_PROTO_TCP, &fd);
  if (error != 0) {
    return failed(out, "open", error);
  }
  error = wasix_sock_connect(fd, &address);
  if (error != 0) {
    close(fd);
    return failed(out, "connect", error);
  }
  if (write(fd, kRequest, sizeof kRequest - 1) != (ssize_t)sizeof kRequest - 1) {
    return failed(out, "write", 1);
  }
  error = __wasi_sock_shutdown(fd, __WASI_SDFLAGS_WR);
  if (error != 0) {
    return failed(out, "shutdown", error);
  }
  char block[4096];
  ssize_t count;
  while ((count = read(fd, block, sizeof block)) > 0) {
    fwrite(block, 1, (size_t)count, out);
  }
  close(fd);
  return count == 0 ? 0 : failed(out, "read", 1);
}

// The number of routers that what is sent with the socket passes: of TTL in the environment.
static inline int limit_hops(FILE* out, int32_t fd) {
  const char* hops = getenv("TTL");
  int error =
      hops == NULL ? 0 : wasix_sock_set_option(fd, WASIX_SOCK_OPTION_TTL, (uint64_t)atoi(hops));
  return error == 0 ? 0 : failed(out, "time to live", error);
}

// Sends the text from a connected socket and prints the answer.
static inline int ask_connected(FILE* out, const char* host, uint16_t port, const char* text) {
  wasix_addr_port address;
  if (find(out, host, port, &address) != 0) {
    return 1;
  }
  int32_t fd = -1;
  int error = wasix_sock_open(address.tag, WASIX_SOCK_DGRAM, WASIX_PROTO_UDP, &fd);
  if (error == 0) {
    error = wasix_sock_connect(fd, &address);
  }
  if (error != 0 || limit_hops(out, fd) != 0) {
    return failed(out, "connect", error);
  }
  if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
    return failed(out, "write", errno);
  }
  char block[4096];
  const ssize_t size = read(fd, block, sizeof block);
  if (size < 0) {
    return failed(out, "read", errno);
  }
  fwrite(block, 1, (size_t)size, out);
  close(fd);
  return 0;
}

// Sends the text and prints the answer.
static inline int ask(FILE* out, const char* host, uint16_t port, const char* text) {
  wasix_addr_port address;
  if (find(out, host, port, &address) != 0) {
    return 1;
  }
  int32_t fd = -1;
  int error = wasix_sock_open(address.tag, WASIX_SOCK_DGRAM, WASIX_PROTO_UDP, &fd);
  if (error != 0) {
    return failed(out, "open", error);
  }
  struct iovec question = {(char*)text, strlen(text)};
  uint32_t count = 0;
  error = wasix_sock_send_to(fd, &question, 1, 0, &address, &count);
  if (error != 0) {
    return failed(out, "send", error);
  }
  char block[4096];
  struct iovec answer = {block, sizeof block};
  uint16_t flags = 0;
  wasix_addr_port from;
  error = wasix_sock_recv_from(fd, &answer, 1, 0, &count, &flags, &from);
  if (error != 0) {
    return failed(out, "receive", error);
  }
  fwrite(block, 1, count, out);
  close(fd);
  return 0;
}

// The addresses of a name, one a line.
static inline int look_up(FILE* out, const char* name) {
  wasix_addr_ip found[16];
  uint32_t count = 0;
  int error = wasix_resolve(name, strlen(name), 0, found, 16, &count);
  if (error != 0) {
    return failed(out, "resolve", error);
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* bytes = found[i].bytes;
    if (found[i].tag == WASIX_AF_INET4) {
      fprintf(out, "%d.%d.%d.%d\n", bytes[0], bytes[1], bytes[2], bytes[3]);
      continue;
    }
    for (int at = 0; at < 16; at += 2) {
      fprintf(out, "%s%x", at == 0 ? "" : ":", bytes[at] * 256 + bytes[at + 1]);
    }
    fputc('\n', out);
  }
  return 0;
}

#endif
