// Under CGI, does what the last segment of PATH_INFO says: every way to take what the virtual
// machine has without end and without an answer. Neighbours must not notice, and the limits of this
// one must hold.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasix.h>

enum { kSignalWindow = 28 };  // ignored by default

static void stop_on(int error) {
  if (error != 0) {
    fprintf(stderr, "flood: %s\n", strerror(error));
    exit(1);
  }
}

// Children that do the same; when there may be no more, tries again and again.
static void children(void) {
  static const char kProgram[] = "/bin/flood", kArguments[] = "flood\nchildren\n";
  for (;;) {
    int32_t pid;
    wasix_proc_spawn(kProgram, strlen(kProgram), kArguments, strlen(kArguments), NULL, 0, NULL, 0,
                     NULL, 0, 0, NULL, 0, &pid);
  }
}

static void descriptors(void) {
  for (;;) {
    int32_t duplicate;
    wasix_fd_dup(0, &duplicate);
  }
}

// As much as fits, then back and forth.
static void pipe_bytes(void) {
  static char block[65536];
  int32_t reader, writer;
  stop_on(wasix_fd_pipe(&reader, &writer));
  fcntl(writer, F_SETFL, O_NONBLOCK);
  for (;;) {
    while (write(writer, block, sizeof(block)) > 0) {
    }
    read(reader, block, sizeof(block));
  }
}

// Sockets whose readers never read.
static void sockets(void) {
  static char block[65536];
  int32_t writers[4096];
  size_t count = 0;
  for (;;) {
    int32_t reader;
    if (count < sizeof(writers) / sizeof(writers[0]) &&
        wasix_sock_pair(WASIX_AF_UNIX, WASIX_SOCK_STREAM, 0, &writers[count], &reader) == 0) {
      fcntl(writers[count++], F_SETFL, O_NONBLOCK);
    }
    for (size_t index = 0; index < count; ++index) {
      write(writers[index], block, sizeof(block));
    }
  }
}

// An epoll that always has something to say.
static void epoll(void) {
  int32_t waiter, reader, writer;
  stop_on(wasix_epoll_create(&waiter));
  stop_on(wasix_fd_pipe(&reader, &writer));
  const wasix_epoll_event event = {.events = WASIX_EPOLLOUT, .fd = writer};
  stop_on(wasix_epoll_ctl(waiter, WASIX_EPOLL_ADD, writer, &event));
  for (;;) {
    wasix_epoll_event found;
    uint32_t count;
    wasix_epoll_wait(waiter, &found, 1, WASIX_EPOLL_FOREVER, &count);
  }
}

static void signals(void) {
  int32_t pid;
  stop_on(wasix_proc_id(&pid));
  for (;;) {
    wasix_proc_signal(pid, kSignalWindow);
  }
}

// Waits for itself.
static void deadlock(void) {
  char byte;
  int32_t reader, writer;
  stop_on(wasix_fd_pipe(&reader, &writer));
  read(reader, &byte, 1);
}

static void memory(void) {
  for (;;) {
    char* volatile block = malloc(1 << 20);
    if (block != NULL) {
      memset(block, 1, 1 << 20);
    }
  }
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*run)(void);
  } kWays[] = {{"children", children}, {"descriptors", descriptors},
               {"pipe", pipe_bytes},   {"sockets", sockets},
               {"epoll", epoll},       {"signals", signals},
               {"deadlock", deadlock}, {"memory", memory}};
  const char* path = getenv("PATH_INFO");
  const char* what = argc > 1 ? argv[1] : path != NULL ? path + 1 : "";
  for (size_t index = 0; index < sizeof(kWays) / sizeof(kWays[0]); ++index) {
    if (strcmp(what, kWays[index].name) == 0) {
      kWays[index].run();
    }
  }
  printf("Content-Type: text/plain\r\n\r\nfine\n");
  return 0;
}
