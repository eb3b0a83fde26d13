/* poll and select: what is ready, what is hung up, and waits that end by time. */
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "observe.h"

static void observe_events(const char* label, int descriptor, short wanted, int timeout_ms) {
  struct pollfd entry = {descriptor, wanted, 0};
  const int count = poll(&entry, 1, timeout_ms);
  observe(label, "%d%s%s%s%s%s", count, entry.revents & POLLIN ? " in" : "",
          entry.revents & POLLOUT ? " out" : "", entry.revents & POLLHUP ? " hangup" : "",
          entry.revents & POLLERR ? " error" : "", entry.revents & POLLNVAL ? " invalid" : "");
}

static void polling(void) {
  char text[16];
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  observe_events("empty pipe", ends[0], POLLIN, 0);
  observe_events("empty pipe, with a wait", ends[0], POLLIN, 10);
  observe_events("writing end", ends[1], POLLOUT, -1);
  observe_events("nothing wanted", ends[1], 0, 0);
  REQUIRE(write(ends[1], "abc", 3) == 3);
  observe_events("pipe with data", ends[0], POLLIN, -1);
  observe_events("still with data", ends[0], POLLIN | POLLOUT, -1);
  REQUIRE(read(ends[0], text, 1) == 1);
  observe_events("with the rest", ends[0], POLLIN, -1);
  close(ends[1]);
  observe_events("data and no writer", ends[0], POLLIN, -1);
  REQUIRE(read(ends[0], text, 16) == 2);
  observe_events("no writer", ends[0], POLLIN, -1);
  close(ends[0]);
  observe_events("closed descriptor", ends[0], POLLIN, 0);
  REQUIRE(pipe(ends) == 0);
  close(ends[0]);
  observe_events("no reader", ends[1], POLLOUT, -1);
  close(ends[1]);
  NUMBER("poll of nothing", poll(NULL, 0, 1));
  struct pollfd many[3] = {{-1, POLLIN, 7}, {STDOUT_FILENO, POLLOUT, 0}, {999, POLLIN, 0}};
  NUMBER("poll of three", poll(many, 3, 100));
  observe("their events", "%d %d %d", many[0].revents, many[1].revents == POLLOUT,
          many[2].revents == POLLNVAL);
  enter_folder();
  const int file = open("file", O_RDWR | O_CREAT, 0644);
  observe_events("a file is always ready", file, POLLIN | POLLOUT, -1);
  close(file);
}

static void sockets(void) {
  char text[4];
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  observe_events("idle socket", pair[0], POLLIN | POLLOUT, 0);
  REQUIRE(write(pair[1], "x", 1) == 1);
  observe_events("socket with data", pair[0], POLLIN | POLLOUT, 0);
  REQUIRE(read(pair[0], text, 1) == 1);
  REQUIRE(shutdown(pair[1], SHUT_WR) == 0);
  observe_events("the peer writes no more", pair[0], POLLIN, 0);
  close(pair[1]);
  observe_events("the peer is gone", pair[0], POLLIN | POLLOUT, 0);
  close(pair[0]);
}

static void selecting(void) {
  char text[4];
  int first[2];
  int second[2];
  REQUIRE(pipe(first) == 0 && pipe(second) == 0);
  const int limit = (second[1] > first[1] ? second[1] : first[1]) + 1;
  fd_set readable;
  fd_set writable;
  struct timeval time = {0, 1000};
  FD_ZERO(&readable);
  FD_SET(first[0], &readable);
  FD_SET(second[0], &readable);
  NUMBER("select of two empty pipes", select(limit, &readable, NULL, NULL, &time));
  observe("their bits", "%d %d", !!FD_ISSET(first[0], &readable), !!FD_ISSET(second[0], &readable));
  REQUIRE(write(second[1], "x", 1) == 1);
  FD_SET(first[0], &readable);
  FD_SET(second[0], &readable);
  FD_ZERO(&writable);
  FD_SET(first[1], &writable);
  NUMBER("select with data and a writer", select(limit, &readable, &writable, NULL, NULL));
  observe("the bits now", "%d %d %d", !!FD_ISSET(first[0], &readable),
          !!FD_ISSET(second[0], &readable), !!FD_ISSET(first[1], &writable));
  REQUIRE(read(second[0], text, 1) == 1);
  close(second[1]);
  FD_ZERO(&readable);
  FD_SET(second[0], &readable);
  NUMBER("select without a writer", select(limit, &readable, NULL, NULL, NULL));
  close(second[0]);
  time = (struct timeval){0, 0};
  NUMBER("select of a closed descriptor", select(limit, &readable, NULL, NULL, &time));
  NUMBER("select of nothing", select(0, NULL, NULL, NULL, &time));
  struct timespec wait = {0, 1000000};
  FD_ZERO(&readable);
  FD_SET(first[0], &readable);
  NUMBER("pselect", pselect(limit, &readable, NULL, NULL, &wait, NULL));
}

int main(void) {
  polling();
  sockets();
  selecting();
  return 0;
}
