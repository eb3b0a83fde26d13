/* epoll: level, edge and one-shot, hang-ups, changes to the set, and eventfd. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "observe.h"

static int set;

static int change(int operation, int descriptor, uint32_t events, uint32_t data) {
  struct epoll_event event = {.events = events, .data.u32 = data};
  return epoll_ctl(set, operation, descriptor, &event);
}

/* Waits that must see nothing have a short time, others none. */
static void observe_wait(const char* label, int timeout_ms) {
  struct epoll_event events[4];
  const int count = epoll_wait(set, events, 4, timeout_ms);
  if (count < 0) {
    observe(label, "%s", error_name(errno));
    return;
  }
  char text[256] = "";
  for (uint32_t data = 0; data < 100; ++data) {
    for (int at = 0; at < count; ++at) {
      if (events[at].data.u32 == data) {
        const uint32_t bits = events[at].events;
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " [%d%s%s%s%s%s]", (int)data,
                 bits & EPOLLIN ? " in" : "", bits & EPOLLOUT ? " out" : "",
                 bits & EPOLLRDHUP ? " half" : "", bits & EPOLLHUP ? " hangup" : "",
                 bits & EPOLLERR ? " error" : "");
      }
    }
  }
  observe(label, "%d%s", count, text);
}

static void level(void) {
  char text[16];
  int ends[2];
  REQUIRE(pipe(ends) == 0 && set >= 0);
  NUMBER("add", change(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
  NUMBER("add twice", change(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
  observe_wait("nothing yet", 5);
  REQUIRE(write(ends[1], "abc", 3) == 3);
  observe_wait("data", -1);
  observe_wait("data still", -1);
  REQUIRE(read(ends[0], text, 16) == 3);
  observe_wait("nothing again", 0);
  NUMBER("modify", change(EPOLL_CTL_MOD, ends[0], EPOLLIN, 2));
  NUMBER("add the writer", change(EPOLL_CTL_ADD, ends[1], EPOLLOUT, 3));
  REQUIRE(write(ends[1], "x", 1) == 1);
  observe_wait("both", -1);
  NUMBER("delete the writer", epoll_ctl(set, EPOLL_CTL_DEL, ends[1], NULL));
  NUMBER("delete it twice", epoll_ctl(set, EPOLL_CTL_DEL, ends[1], NULL));
  NUMBER("modify what is not there", change(EPOLL_CTL_MOD, ends[1], EPOLLOUT, 3));
  close(ends[1]);
  observe_wait("data without a writer", -1);
  REQUIRE(read(ends[0], text, 16) == 1);
  observe_wait("no writer", -1);
  NUMBER("an unknown operation", change(77, ends[0], EPOLLIN, 1));
  close(ends[0]);
  observe_wait("a closed one leaves the set", 5);
  NUMBER("add a closed one", change(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
  NUMBER("add the set itself", change(EPOLL_CTL_ADD, set, EPOLLIN, 1));
  NUMBER("wait for no events", epoll_wait(set, NULL, 0, 0));
}

static void edge(void) {
  char text[16];
  int ends[2];
  REQUIRE(pipe(ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
  NUMBER("add by edge", change(EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET, 4));
  REQUIRE(write(ends[1], "abc", 3) == 3);
  observe_wait("first edge", -1);
  observe_wait("no second report", 5);
  REQUIRE(write(ends[1], "d", 1) == 1);
  observe_wait("more data is an edge", -1);
  REQUIRE(read(ends[0], text, 1) == 1);
  observe_wait("reading a part is none", 5);
  NUMBER("modify rearms", change(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET, 5));
  observe_wait("reported again", -1);
  REQUIRE(read(ends[0], text, 16) == 3);
  NUMBER("it is empty", read(ends[0], text, 16));
  REQUIRE(write(ends[1], "e", 1) == 1);
  observe_wait("data after it was empty", -1);
  close(ends[1]);
  observe_wait("the writer's end is an edge", -1);
  close(ends[0]);
}

static void one_shot(void) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  NUMBER("add once", change(EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLONESHOT, 6));
  REQUIRE(write(ends[1], "a", 1) == 1);
  observe_wait("the one report", -1);
  observe_wait("no more", 5);
  REQUIRE(write(ends[1], "b", 1) == 1);
  observe_wait("not for new data either", 5);
  NUMBER("arm it again", change(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT, 7));
  observe_wait("the next report", -1);
  close(ends[0]);
  close(ends[1]);
}

static void sockets(void) {
  char text[4];
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  NUMBER("add a socket", change(EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP, 8));
  observe_wait("it can be written", -1);
  REQUIRE(write(pair[1], "x", 1) == 1);
  observe_wait("it can be read too", -1);
  REQUIRE(read(pair[0], text, 1) == 1 && shutdown(pair[1], SHUT_WR) == 0);
  observe_wait("the peer writes no more", -1);
  close(pair[1]);
  observe_wait("the peer is gone", -1);
  close(pair[0]);
}

static void events(void) {
  uint64_t value = 0;
  const int event = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);
  NUMBER("add an eventfd", change(EPOLL_CTL_ADD, event, EPOLLIN, 9));
  observe_wait("it has a value", -1);
  NUMBER("read the eventfd", read(event, &value, sizeof(value)));
  observe("its value", "%d", (int)value);
  NUMBER("read it again", read(event, &value, sizeof(value)));
  NUMBER("read too little", read(event, &value, 4));
  value = 5;
  NUMBER("write to it", write(event, &value, sizeof(value)));
  NUMBER("write to it again", write(event, &value, sizeof(value)));
  NUMBER("read the sum", read(event, &value, sizeof(value)));
  observe("the sum", "%d", (int)value);
  close(event);
  const int counted = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  NUMBER("read a semaphore", read(counted, &value, sizeof(value)));
  observe("it gives", "%d", (int)value);
  NUMBER("read it twice", read(counted, &value, sizeof(value)));
  NUMBER("read it three times", read(counted, &value, sizeof(value)));
  close(counted);
  enter_folder();
  NUMBER("add a file", change(EPOLL_CTL_ADD, open("file", O_RDWR | O_CREAT, 0600), EPOLLIN, 1));
}

int main(void) {
  set = epoll_create1(EPOLL_CLOEXEC);
  REQUIRE(set >= 0);
  level();
  edge();
  one_shot();
  sockets();
  events();
  return 0;
}
