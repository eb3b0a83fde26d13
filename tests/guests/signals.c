// Handles its own signals, as its argument says: "timer" counts five ticks of a timer while it
// sleeps; "child" is told of the end of a child; "pipe" that nobody reads what it writes; "wait"
// says when SIGTERM or SIGINT came.
#define _GNU_SOURCE  // usleep
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasix.h>

enum { kInterrupt = 2, kPipe = 13, kAlarm = 14, kTerminate = 15, kChild = 17 };

void callback_signal(const char* name, size_t length) WASIX_IMPORT(callback_signal);
int32_t proc_raise_interval(uint8_t signal, uint64_t interval, uint8_t repeats)
    WASIX_IMPORT(proc_raise_interval);

static volatile unsigned counts[64];

// Called after a host call during which a signal came.
__attribute__((export_name("__wasm_signal"))) void handle_signal(int32_t signal) {
  counts[signal & 63]++;
}

static void timer(void) {
  const uint64_t kInterval = 2000000;
  proc_raise_interval(kAlarm, kInterval, 1);
  unsigned interrupted = 0;
  while (counts[kAlarm] < 5) {
    interrupted += usleep(10000000) != 0;
  }
  proc_raise_interval(kAlarm, 0, 0);
  printf("5 ticks, %s\n", interrupted > 0 ? "sleeps were interrupted" : "no sleep was interrupted");
}

static void child(const char* program) {
  static const char kArguments[] = "signals\nnothing\n";
  int32_t pid;
  if (wasix_proc_spawn(program, strlen(program), kArguments, strlen(kArguments), NULL, 0, NULL, 0,
                       NULL, 0, 0, NULL, 0, &pid) != 0) {
    exit(1);
  }
  wasix_option_pid wanted = {.tag = 1, .pid = pid};
  wasix_join_status status;
  while (wasix_proc_join(&wanted, 0, &status) == EINTR) {
  }
  usleep(0);
  printf("SIGCHLD came %u time(s)\n", counts[kChild]);
}

static void broken_pipe(void) {
  int32_t reader, writer;
  if (wasix_fd_pipe(&reader, &writer) != 0) {
    exit(1);
  }
  close(reader);
  const ssize_t written = write(writer, "x", 1);
  printf("write: %s, SIGPIPE came %u time(s)\n", written < 0 ? strerror(errno) : "fine",
         counts[kPipe]);
}

static void wait_for_the_end(void) {
  printf("ready\n");
  fflush(stdout);
  while (counts[kTerminate] == 0 && counts[kInterrupt] == 0) {
    usleep(10000000);
  }
  printf("%s came\n", counts[kTerminate] != 0 ? "SIGTERM" : "SIGINT");
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  static const char kHandler[] = "__wasm_signal";
  callback_signal(kHandler, strlen(kHandler));
  if (strcmp(what, "timer") == 0) {
    timer();
  } else if (argc > 2 && strcmp(what, "child") == 0) {
    child(argv[2]);
  } else if (strcmp(what, "pipe") == 0) {
    broken_pipe();
  } else if (strcmp(what, "wait") == 0) {
    wait_for_the_end();
  }
  return 0;
}
