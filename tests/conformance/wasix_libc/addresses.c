/* Addresses of sockets, who may have which, and what ends a wait on a socket. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "observe.h"

static sem_t started;

static struct sockaddr_in version4(uint32_t host, uint16_t port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(host)};
}

static int bind4(int descriptor, uint32_t host, uint16_t port) {
  const struct sockaddr_in name = version4(host, port);
  return bind(descriptor, (const struct sockaddr*)&name, sizeof(name));
}

static int connect4(int descriptor, uint32_t host, uint16_t port) {
  const struct sockaddr_in name = version4(host, port);
  return connect(descriptor, (const struct sockaddr*)&name, sizeof(name));
}

/* The port of a socket, in network order. */
static uint16_t port_of(int descriptor) {
  struct sockaddr_in6 name;
  socklen_t length = sizeof(name);
  REQUIRE(getsockname(descriptor, (struct sockaddr*)&name, &length) == 0);
  return name.sin6_family == AF_INET6 ? name.sin6_port : ((struct sockaddr_in*)&name)->sin_port;
}

static void wildcards(void) {
  struct sockaddr_in name = {0};
  socklen_t length = sizeof(name);
  const int fresh = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("name of a fresh socket", getsockname(fresh, (struct sockaddr*)&name, &length));
  observe("its family, port, address", "%d %d %s", name.sin_family == AF_INET, name.sin_port,
          inet_ntoa(name.sin_addr));
  NUMBER("listen without an address", listen(fresh, 1));
  TRUTH("gives a port", port_of(fresh) != 0);
  close(fresh);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("bind to any address", bind4(listener, INADDR_ANY, 0));
  NUMBER("bind again", bind4(listener, INADDR_ANY, 0));
  NUMBER("listen", listen(listener, 8));
  NUMBER("listen again", listen(listener, 8));
  const uint16_t port = port_of(listener);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("connect by loopback", connect4(client, INADDR_LOOPBACK, port));
  length = sizeof(name);
  getsockname(client, (struct sockaddr*)&name, &length);
  observe("the client's address", "%s", inet_ntoa(name.sin_addr));
  const int server = accept(listener, NULL, NULL);
  length = sizeof(name);
  getsockname(server, (struct sockaddr*)&name, &length);
  observe("the server's address", "%s", inet_ntoa(name.sin_addr));
  close(client);
  close(server);
  client = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("connect by another loopback address", connect4(client, 0x7f000105, port));
  close(client);
  client = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("connect to any address", connect4(client, INADDR_ANY, port));
  close(client);
  client = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("bind the used port at loopback", bind4(client, INADDR_LOOPBACK, port));
  close(client);
  close(listener);
  const int next = socket(AF_INET, SOCK_STREAM, 0);
  const int one = 1;
  setsockopt(next, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  NUMBER("bind the port after its listener closed", bind4(next, INADDR_ANY, port));
  NUMBER("listen there", listen(next, 1));
  close(next);
  const int elsewhere = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("bind to an address of others", bind4(elsewhere, 0x08080808, 0));
  NUMBER("bind with another family", (name = version4(INADDR_ANY, 0), name.sin_family = AF_INET6,
                                      bind(elsewhere, (struct sockaddr*)&name, sizeof(name))) == 0);
  NUMBER("connect to port 0", connect4(elsewhere, INADDR_LOOPBACK, 0));
  close(elsewhere);
}

static void datagram_ports(void) {
  const int first = socket(AF_INET, SOCK_DGRAM, 0);
  const int second = socket(AF_INET, SOCK_DGRAM, 0);
  const int one = 1;
  NUMBER("bind a datagram socket", bind4(first, INADDR_LOOPBACK, 0));
  const uint16_t port = port_of(first);
  NUMBER("bind another to the port", bind4(second, INADDR_LOOPBACK, port));
  const int stream = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("bind a stream to the port", bind4(stream, INADDR_LOOPBACK, port));
  close(first);
  NUMBER("bind another when it is free", bind4(second, INADDR_LOOPBACK, port));
  NUMBER("listen on datagrams", listen(second, 1));
  NUMBER("accept on datagrams", accept(second, NULL, NULL));
  NUMBER("SO_BROADCAST", setsockopt(second, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)));
  NUMBER("shutdown of an unconnected one", shutdown(second, SHUT_WR));
  close(second);
  close(stream);
  const int implicit = socket(AF_INET, SOCK_DGRAM, 0);
  NUMBER("connect datagrams", connect4(implicit, INADDR_LOOPBACK, port));
  TRUTH("that gives a port", port_of(implicit) != 0);
  close(implicit);
}

static void both_versions(void) {
  struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
  socklen_t length = sizeof(name);
  char text[64];
  const int listener = socket(AF_INET6, SOCK_STREAM, 0);
  NUMBER("bind to any of version 6", bind(listener, (struct sockaddr*)&name, sizeof(name)));
  REQUIRE(listen(listener, 4) == 0);
  const uint16_t port = port_of(listener);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("connect by version 4", connect4(client, INADDR_LOOPBACK, port));
  fcntl(listener, F_SETFL, O_NONBLOCK);
  const int server = accept(listener, (struct sockaddr*)&name, &length);
  OUTCOME("accept it", server);
  observe("its address", "%s",
          server < 0 ? "none" : inet_ntop(AF_INET6, &name.sin6_addr, text, sizeof(text)));
  close(client);
  close(server);
  close(listener);
}

static void* read_one(void* argument) {
  char text[4];
  sem_post(&started);
  const ssize_t count = recv((int)(long)argument, text, sizeof(text), 0);
  return (void*)(long)(count < 0 ? -errno : count);
}

static void* accept_one(void* argument) {
  sem_post(&started);
  const int stream = accept((int)(long)argument, NULL, NULL);
  return (void*)(long)(stream < 0 ? -errno : stream);
}

static void on_alarm(int number) { (void)number; }

static void waits(void) {
  pthread_t thread;
  void* result = NULL;
  int pair[2];
  sem_init(&started, 0, 0);
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  REQUIRE(pthread_create(&thread, NULL, read_one, (void*)(long)pair[0]) == 0);
  sem_wait(&started);
  NUMBER("shutdown while a thread reads", shutdown(pair[0], SHUT_RD));
  pthread_join(thread, &result);
  NUMBER("its read", (long)result);
  close(pair[0]);
  close(pair[1]);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(bind4(listener, INADDR_LOOPBACK, 0) == 0 && listen(listener, 1) == 0);
  REQUIRE(pthread_create(&thread, NULL, accept_one, (void*)(long)listener) == 0);
  sem_wait(&started);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  NUMBER("connect while a thread accepts", connect4(client, INADDR_LOOPBACK, port_of(listener)));
  pthread_join(thread, &result);
  TRUTH("its accept", (long)result >= 0);
  close((int)(long)result);
  close(client);
  const struct sigaction action = {.sa_handler = on_alarm};
  const struct itimerval often = {{0, 5000}, {0, 5000}};
  const struct itimerval never = {{0, 0}, {0, 0}};
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &often, NULL);
  NUMBER("accept that a signal interrupts", accept(listener, NULL, NULL));
  REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  NUMBER("receive that a signal interrupts", (long)recv(pair[0], pair, 1, 0));
  setitimer(ITIMER_REAL, &never, NULL);
  const struct timeval soon = {0, 10000};
  setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
  NUMBER("accept until it is late", accept(listener, NULL, NULL));
  close(listener);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  wildcards();
  datagram_ports();
  both_versions();
  waits();
  return 0;
}
