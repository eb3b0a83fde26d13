/* TCP over loopback: backlog, names, half close, resets, waiting connects, options, scattered I/O.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "observe.h"

static struct sockaddr_in address;

static const struct sockaddr* target(void) { return (const struct sockaddr*)&address; }

static int listen_on_loopback(int backlog) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t length = sizeof(address);
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(listener, target(), sizeof(address)) == 0 && listen(listener, backlog) == 0);
  REQUIRE(getsockname(listener, (struct sockaddr*)&address, &length) == 0);
  return listener;
}

static int connected(void) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(connect(client, target(), sizeof(address)) == 0);
  return client;
}

static short events_of(int descriptor, short wanted, int timeout_ms) {
  struct pollfd entry = {descriptor, wanted, 0};
  return poll(&entry, 1, timeout_ms) >= 0 ? entry.revents : -1;
}

static void names(void) {
  struct sockaddr_in name;
  struct sockaddr_in other;
  socklen_t length = sizeof(name);
  const int listener = listen_on_loopback(4);
  TRUTH("a port was chosen", address.sin_port != 0);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("peer before connecting", getpeername(client, (struct sockaddr*)&name, &length));
  NUMBER("send before connecting", send(client, "x", 1, MSG_NOSIGNAL));
  char text[4];
  NUMBER("receive before connecting", recv(client, text, 1, 0));
  NUMBER("shutdown before connecting", shutdown(client, SHUT_WR));
  NUMBER("connect", connect(client, target(), sizeof(address)));
  NUMBER("connect again", connect(client, target(), sizeof(address)));
  length = sizeof(other);
  const int server = accept(listener, (struct sockaddr*)&other, &length);
  OUTCOME("accept", server);
  length = sizeof(name);
  NUMBER("getsockname", getsockname(client, (struct sockaddr*)&name, &length));
  TRUTH("accept told that name",
        name.sin_port == other.sin_port && name.sin_addr.s_addr == other.sin_addr.s_addr);
  observe("length of a name", "%d", (int)length);
  NUMBER("getpeername", getpeername(client, (struct sockaddr*)&name, &length));
  TRUTH("the peer is the listener", name.sin_port == address.sin_port);
  observe("address of the peer", "%s", inet_ntoa(name.sin_addr));
  NUMBER("accept on a connection", accept(server, NULL, NULL));
  NUMBER("accept on what is no socket", accept(STDOUT_FILENO, NULL, NULL));
  const int second = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("bind to a used port", bind(second, target(), sizeof(address)));
  NUMBER("bind with a short address", bind(second, target(), 3));
  close(second);
  close(client);
  close(server);
  close(listener);
  const int late = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("connect to a closed port", connect(late, target(), sizeof(address)));
  close(late);
  NUMBER("an unknown family", socket(99, SOCK_STREAM, 0));
}

static void streams(void) {
  char text[64] = {0};
  char more[64] = {0};
  const int listener = listen_on_loopback(4);
  const int client = connected();
  const int server = accept(listener, NULL, NULL);
  struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
  NUMBER("writev", writev(client, parts, 2));
  struct iovec places[2] = {{text, 3}, {more, 60}};
  NUMBER("readv", readv(server, places, 2));
  observe("scattered", "%s|%s", text, more);
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  NUMBER("sendmsg", sendmsg(server, &message, 0));
  NUMBER("peek", recv(client, text, 2, MSG_PEEK));
  int waiting = -1;
  NUMBER("FIONREAD", ioctl(client, FIONREAD, &waiting));
  observe("bytes that wait", "%d", waiting);
  message.msg_iov = places;
  NUMBER("recvmsg", recvmsg(client, &message, 0));
  NUMBER("receive without waiting", recv(client, text, 1, MSG_DONTWAIT));
  NUMBER("send 12", send(server, "first second", 12, 0));
  NUMBER("MSG_WAITALL", recv(client, text, 12, MSG_WAITALL));
  NUMBER("half close", shutdown(client, SHUT_WR));
  NUMBER("read at the end", read(server, text, 1));
  TRUTH("the end is readable", (events_of(server, POLLIN, -1) & POLLIN) != 0);
  NUMBER("write to the half-closed", write(server, "late", 4));
  NUMBER("read it", read(client, text, sizeof(text)));
  NUMBER("write after half close", send(client, "x", 1, MSG_NOSIGNAL));
  NUMBER("close", close(server));
  NUMBER("read after the peer closed", read(client, text, 1));
  close(client);
  close(listener);
}

/* Closing with unread data, or lingering for no time, resets the connection. */
static void resets(void) {
  char text[4];
  const int listener = listen_on_loopback(4);
  int client = connected();
  int server = accept(listener, NULL, NULL);
  const struct linger at_once = {1, 0};
  NUMBER("SO_LINGER", setsockopt(server, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
  close(server);
  TRUTH("the reset wakes poll", (events_of(client, POLLIN, 1000) & (POLLIN | POLLHUP)) != 0);
  NUMBER("read after the reset", read(client, text, 1));
  NUMBER("write after the reset", send(client, "x", 1, MSG_NOSIGNAL));
  close(client);
  client = connected();
  server = accept(listener, NULL, NULL);
  REQUIRE(write(client, "unread", 6) == 6 && (events_of(server, POLLIN, 1000) & POLLIN) != 0);
  close(server);
  events_of(client, POLLIN, 1000);
  NUMBER("read after a close with unread data", read(client, text, 1));
  close(client);
  client = connected();
  server = accept(listener, NULL, NULL);
  NUMBER("SHUT_RD", shutdown(server, SHUT_RD));
  NUMBER("read after SHUT_RD", read(server, text, 1));
  NUMBER("the other end still writes", send(client, "x", 1, MSG_NOSIGNAL));
  NUMBER("and reads", (write(server, "y", 1), recv(client, text, 1, 0)));
  close(client);
  close(server);
  close(listener);
}

static void without_blocking(void) {
  char text[4];
  static char block[65536];
  const int listener = listen_on_loopback(2);
  fcntl(listener, F_SETFL, O_NONBLOCK);
  NUMBER("accept of nobody", accept(listener, NULL, NULL));
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  fcntl(client, F_SETFL, O_NONBLOCK);
  const int result = connect(client, target(), sizeof(address));
  TRUTH("connect does not wait", result == 0 || errno == EINPROGRESS);
  TRUTH("it becomes writable", (events_of(client, POLLOUT, 1000) & POLLOUT) != 0);
  int error = -1;
  socklen_t length = sizeof(error);
  NUMBER("SO_ERROR", getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length));
  observe("error", "%s", error_name(error));
  TRUTH("somebody to accept", (events_of(listener, POLLIN, 1000) & POLLIN) != 0);
  const int server = accept(listener, NULL, NULL);
  OUTCOME("accept now", server);
  NUMBER("read of nothing", read(client, text, 1));
  while (write(client, block, sizeof(block)) > 0) {
  }
  observe("write to a full connection", "%s", error_name(errno));
  observe("writable while full", "%d", events_of(client, POLLOUT, 0) == POLLOUT);
  for (int drained = 0; drained == 0;) {
    REQUIRE(read(server, block, sizeof(block)) > 0);
    drained = events_of(client, POLLOUT, 0) == POLLOUT;
  }
  TRUTH("writable when drained", 1);
  close(server);
  close(client);
  close(listener);
  const int refused = socket(AF_INET, SOCK_STREAM, 0);
  fcntl(refused, F_SETFL, O_NONBLOCK);
  if (connect(refused, target(), sizeof(address)) != 0 && errno == EINPROGRESS) {
    events_of(refused, POLLOUT, 1000);
    REQUIRE(getsockopt(refused, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
    errno = error;
  }
  observe("a connect that is refused", "%s", error_name(errno));
  close(refused);
}

static void option(const char* label, int descriptor, int level, int name, int value) {
  int got = -1;
  socklen_t length = sizeof(got);
  char line[64];
  snprintf(line, sizeof(line), "set %s", label);
  NUMBER(line, setsockopt(descriptor, level, name, &value, sizeof(value)));
  snprintf(line, sizeof(line), "get %s", label);
  if (getsockopt(descriptor, level, name, &got, &length) != 0) {
    observe(line, "%s", error_name(errno));
  } else {
    observe(line, "%s", got != 0 ? "on" : "off");
  }
}

static void options(void) {
  const int listener = listen_on_loopback(1);
  option("SO_REUSEADDR", listener, SOL_SOCKET, SO_REUSEADDR, 1);
  option("SO_REUSEPORT", listener, SOL_SOCKET, SO_REUSEPORT, 1);
  option("SO_KEEPALIVE", listener, SOL_SOCKET, SO_KEEPALIVE, 1);
  option("TCP_NODELAY", listener, IPPROTO_TCP, TCP_NODELAY, 1);
  option("TCP_NODELAY to off", listener, IPPROTO_TCP, TCP_NODELAY, 0);
  option("SO_RCVBUF", listener, SOL_SOCKET, SO_RCVBUF, 32768);
  option("SO_SNDBUF", listener, SOL_SOCKET, SO_SNDBUF, 32768);
  int value = -1;
  socklen_t length = sizeof(value);
  NUMBER("SO_TYPE", getsockopt(listener, SOL_SOCKET, SO_TYPE, &value, &length));
  TRUTH("it is a stream", value == SOCK_STREAM);
  NUMBER("SO_ACCEPTCONN", getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &value, &length));
  observe("it listens", "%d", value);
  const int client = connected();
  const int server = accept(listener, NULL, NULL);
  const struct timeval soon = {0, 10000};
  char text[4];
  NUMBER("SO_RCVTIMEO", setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
  NUMBER("receive until it is late", recv(client, text, 1, 0));
  close(client);
  close(server);
  close(listener);
}

static void version6(void) {
  struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  socklen_t length = sizeof(name);
  char text[64] = {0};
  const int listener = socket(AF_INET6, SOCK_STREAM, 0);
  NUMBER("bind to ::1", bind(listener, (struct sockaddr*)&name, sizeof(name)));
  NUMBER("listen on ::1", listen(listener, 1));
  REQUIRE(getsockname(listener, (struct sockaddr*)&name, &length) == 0);
  TRUTH("length of its name", length == sizeof(name));
  const int client = socket(AF_INET6, SOCK_STREAM, 0);
  NUMBER("connect to ::1", connect(client, (struct sockaddr*)&name, sizeof(name)));
  const int server = accept(listener, (struct sockaddr*)&name, &length);
  OUTCOME("accept from ::1", server);
  observe("the peer", "%s", inet_ntop(AF_INET6, &name.sin6_addr, text, sizeof(text)));
  NUMBER("write over ::1", write(client, "six", 3));
  NUMBER("read over ::1", read(server, text, sizeof(text)));
  close(client);
  close(server);
  close(listener);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  names();
  streams();
  resets();
  without_blocking();
  options();
  version6();
  return 0;
}
