/* Servers of four kinds, each with its clients in threads: every line comes back, in capitals. */
#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "observe.h"

enum { kClients = 12, kLines = 20 };

static struct sockaddr_in address;

static int listen_on_loopback(void) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t length = sizeof(address);
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(listener, (struct sockaddr*)&address, sizeof(address)) == 0);
  REQUIRE(listen(listener, kClients) == 0);
  REQUIRE(getsockname(listener, (struct sockaddr*)&address, &length) == 0);
  return listener;
}

/* The number of lines that came back right. */
static void* client(void* argument) {
  const long number = (long)argument;
  const int stream = socket(AF_INET, SOCK_STREAM, 0);
  long right = 0;
  REQUIRE(connect(stream, (struct sockaddr*)&address, sizeof(address)) == 0);
  for (int line = 0; line < kLines; ++line) {
    char sent[64];
    char wanted[64];
    char got[64] = {0};
    const int length = snprintf(sent, sizeof(sent), "client %ld, line %d\n", number, line);
    snprintf(wanted, sizeof(wanted), "CLIENT %ld, LINE %d\n", number, line);
    REQUIRE(write(stream, sent, (size_t)length) == length);
    REQUIRE(recv(stream, got, (size_t)length, MSG_WAITALL) == length);
    right += strcmp(got, wanted) == 0;
  }
  close(stream);
  return (void*)right;
}

/* Answers what has come; the end of the stream is 0, an error negative. */
static ssize_t answer(int stream) {
  char text[256];
  const ssize_t length = read(stream, text, sizeof(text));
  for (ssize_t at = 0; at < length; ++at) {
    text[at] = (char)toupper(text[at]);
  }
  return length > 0 ? write(stream, text, (size_t)length) : length;
}

static void* serve_one(void* argument) {
  const int stream = (int)(long)argument;
  while (answer(stream) > 0) {
  }
  close(stream);
  return NULL;
}

static void serve_by_threads(int listener) {
  pthread_t threads[kClients];
  for (int at = 0; at < kClients; ++at) {
    const long stream = accept(listener, NULL, NULL);
    REQUIRE(stream >= 0 && pthread_create(&threads[at], NULL, serve_one, (void*)stream) == 0);
  }
  for (int at = 0; at < kClients; ++at) {
    pthread_join(threads[at], NULL);
  }
}

static void serve_by_poll(int listener) {
  struct pollfd entries[kClients + 1] = {{listener, POLLIN, 0}};
  int accepted = 0;
  int closed = 0;
  while (closed < kClients) {
    REQUIRE(poll(entries, (nfds_t)(accepted + 1), -1) > 0);
    for (int at = 1; at <= accepted; ++at) {
      if (entries[at].fd >= 0 && entries[at].revents != 0 && answer(entries[at].fd) <= 0) {
        close(entries[at].fd);
        entries[at].fd = -1;
        ++closed;
      }
    }
    if (entries[0].revents != 0) {
      entries[++accepted] = (struct pollfd){accept(listener, NULL, NULL), POLLIN, 0};
      entries[0].fd = accepted < kClients ? listener : -1;
      entries[0].revents = 0;
    }
  }
}

static void serve_by_epoll(int listener) {
  const int set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  int closed = 0;
  fcntl(listener, F_SETFL, O_NONBLOCK);
  REQUIRE(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) == 0);
  while (closed < kClients) {
    struct epoll_event events[8];
    const int count = epoll_wait(set, events, 8, -1);
    for (int at = 0; at < count; ++at) {
      if (events[at].data.fd == listener) {
        int stream = -1;
        while ((stream = accept(listener, NULL, NULL)) >= 0) {
          fcntl(stream, F_SETFL, O_NONBLOCK);
          event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.fd = stream};
          REQUIRE(epoll_ctl(set, EPOLL_CTL_ADD, stream, &event) == 0);
        }
        continue;
      }
      ssize_t length = 0;
      while ((length = answer(events[at].data.fd)) > 0) {
      }
      if (length == 0) {
        close(events[at].data.fd);
        ++closed;
      }
    }
  }
  close(set);
}

/* Two processes that accept from one socket, and end when they are told. */
static void serve_by_processes(int listener, pid_t* children) {
  for (int at = 0; at < 2; ++at) {
    children[at] = fork();
    if (children[at] == 0) {
      for (;;) {
        const long stream = accept(listener, NULL, NULL);
        pthread_t thread;
        REQUIRE(stream >= 0);
        REQUIRE(pthread_create(&thread, NULL, serve_one, (void*)stream) == 0);
        pthread_detach(thread);
      }
    }
  }
}

static void with_clients(const char* label, void (*serve)(int)) {
  pthread_t threads[kClients];
  pid_t children[2];
  long right = 0;
  const int listener = listen_on_loopback();
  if (serve == NULL) {
    serve_by_processes(listener, children);
  }
  for (long at = 0; at < kClients; ++at) {
    REQUIRE(pthread_create(&threads[at], NULL, client, (void*)at) == 0);
  }
  if (serve != NULL) {
    serve(listener);
  }
  for (int at = 0; at < kClients; ++at) {
    void* result = NULL;
    pthread_join(threads[at], &result);
    right += (long)result;
  }
  for (int at = 0; serve == NULL && at < 2; ++at) {
    kill(children[at], SIGKILL);
    REQUIRE(waitpid(children[at], NULL, 0) == children[at]);
  }
  close(listener);
  observe(label, "%ld lines", right);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  with_clients("a thread for each connection", serve_by_threads);
  with_clients("poll", serve_by_poll);
  with_clients("epoll by edges", serve_by_epoll);
  with_clients("processes that share a listener", NULL);
  return 0;
}
