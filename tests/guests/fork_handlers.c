/* Asyncified: fork, setjmp and longjmp in handlers of signals. "ok" is the last line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wasix.h"

enum { kForks = 10, kNests = 12, kAlarm = 14, kJumps = 15 };

int32_t proc_raise(uint8_t signal) WASIX_IMPORT(proc_raise);
void callback_signal(const char* name, size_t length) WASIX_IMPORT(callback_signal);
int32_t proc_raise_interval(uint8_t signal, uint64_t interval, uint8_t repeats)
    WASIX_IMPORT(proc_raise_interval);

static int32_t child = -1;
static int ends_inside = 0;
static int nested_returns = 0;
static wasix_stack_snapshot outer;

static void check(int condition, const char* what) {
  if (!condition) {
    fprintf(stderr, "not so: %s\n", what);
    _Exit(1);
  }
}

static void raise_signal(int signal) { check(proc_raise((uint8_t)signal) == 0, "raise"); }

static int wait_for(int32_t pid) {
  wasix_option_pid wanted = {.tag = 1, .pid = pid};
  wasix_join_status status;
  int error;
  while ((error = wasix_proc_join(&wanted, 0, &status)) == EINTR) {
  }
  check(error == 0, "a child to wait for");
  return status.tag == 1 ? status.exit_code : 256 + status.signal;
}

static void fork_here(void) {
  volatile int local = 3;
  int32_t pid = -1;
  check(wasix_proc_fork(1, &pid) == 0, "fork");
  check(local == 3, "the handler's frame");
  child = pid;
  if (pid == 0 && ends_inside) {
    _Exit(8);
  }
}

__attribute__((export_name("__wasm_signal"))) void handle_signal(int32_t signal) {
  volatile int32_t kept = signal;
  switch (signal) {
    case kForks:
    case kAlarm:
      fork_here();
      break;
    case kNests:
      raise_signal(kForks);
      ++nested_returns;
      break;
    case kJumps:
      fork_here();
      wasix_stack_restore(&outer, child == 0 ? 1 : 2);
    default:
      break;
  }
  check(kept == signal, "the handler's own variable");
}

/* Raises the signal under this many frames; their sum. */
static int raise_deep(int depth, int signal) {
  volatile int local = depth;
  int sum = 0;
  if (depth == 0) {
    raise_signal(signal);
  } else {
    sum = raise_deep(depth - 1, signal);
  }
  return sum + local;
}

static void returns(int signal, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const int sum = raise_deep(100, signal);
    check(sum == 5050, "the frames below the handler");
    if (child == 0) {
      _Exit(7);
    }
    check(wait_for(child) == 7, "the child returned from its handler");
  }
}

static void interrupted_read(void) {
  int32_t reader, writer;
  char text[8];
  check(wasix_fd_pipe(&reader, &writer) == 0, "a pipe");
  proc_raise_interval(kAlarm, 2000000, 0);
  check(read(reader, text, sizeof(text)) == -1 && errno == EINTR, "the read was interrupted");
  if (child == 0) {
    check(write(writer, "child", 5) == 5, "the pipe is shared");
    _Exit(7);
  }
  check(read(reader, text, sizeof(text)) == 5 && memcmp(text, "child", 5) == 0, "the child wrote");
  check(wait_for(child) == 7, "the child saw the interruption too");
}

static void jump(void) {
  volatile int kept = 4;
  uint64_t value = 0;
  check(wasix_stack_checkpoint(&outer, &value) == 0, "setjmp");
  check(kept == 4, "what is volatile");
  if (value == 0) {
    raise_deep(50, kJumps);
  }
  if (value == 1) {
    _Exit(7);
  }
  check(value == 2 && wait_for(child) == 7, "both jumped out of the handler");
}

int main(void) {
  static const char kHandler[] = "__wasm_signal";
  callback_signal(kHandler, sizeof(kHandler) - 1);
  returns(kForks, 20);
  returns(kNests, 20);
  check(nested_returns == 20, "the outer handlers went on");
  interrupted_read();
  jump();
  ends_inside = 1;
  raise_deep(10, kForks);
  check(child > 0 && wait_for(child) == 8, "the child ended in its handler");
  puts("ok");
  return 0;
}
