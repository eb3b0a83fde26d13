/* vfork without Asyncify (proc_fork_env), as a C library with exceptions has it. The first argument
 * says what to do; "ok" is the last line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/libc.h>

#include "wasix.h"

static void check(int condition, const char* what) {
  if (!condition) {
    fprintf(stderr, "not so: %s\n", what);
    _Exit(1);
  }
}

/* The exit code of this child; 256 plus a signal; -1: there is none. */
static int wait_for(int32_t pid) {
  wasix_option_pid wanted = {.tag = 1, .pid = pid};
  wasix_join_status status;
  if (wasix_proc_join(&wanted, 0, &status) != 0) {
    return -1;
  }
  return status.tag == 1 ? status.exit_code : 256 + status.signal;
}

static int32_t self(void) {
  int32_t pid = -1;
  check(wasix_proc_id(&pid) == 0, "a number");
  return pid;
}

/* Starts `program argument` with these standard streams (-1: ours), as posix_spawn over vfork. */
static int32_t start(const char* program, const char* argument, int input, int output) {
  char arguments[256];
  const int length = snprintf(arguments, sizeof(arguments), "%s\n%s\n", program, argument);
  const int32_t parent = self();
  int32_t pid = -1;
  check(wasix_proc_fork_env(&pid) == 0, "vfork");
  check(self() == pid && pid != parent, "the caller is the child");
  if (input >= 0) {
    check(__wasilibc_fd_renumber(input, 0) == 0, "dup2");
  }
  if (output >= 0) {
    check(__wasilibc_fd_renumber(output, 1) == 0, "dup2");
  }
  for (int descriptor = 5; descriptor < 16; ++descriptor) {
    close(descriptor); /* both ends of all pipes, of the child only */
  }
  if (wasix_proc_exec(program, strlen(program), arguments, (size_t)length, NULL, 0, 0, NULL, 0)) {
    check(self() == pid, "without a program it stays the child");
    wasix_proc_exit2(127);
  }
  check(self() == parent, "the caller is the parent again");
  return pid;
}

static int produce(void) {
  for (int line = 1; line <= 20000; ++line) {
    printf("line %d\n", line);
  }
  return 3;
}

static int count(void) {
  int lines = 0;
  for (int letter; (letter = getchar()) != EOF;) {
    lines += letter == '\n';
  }
  printf("%d lines\n", lines);
  return 4;
}

static int pipeline(const char* program) {
  int32_t reader = -1, writer = -1;
  /* Beyond the directories that it was given. */
  while (writer < 8) {
    check(wasix_fd_pipe(&reader, &writer) == 0, "a pipe");
  }
  const int32_t first = start(program, "produce", -1, writer);
  const int32_t second = start(program, "count", reader, -1);
  check(close(reader) == 0 && close(writer) == 0, "the parent's ends are open");
  check(wait_for(first) == 3 && wait_for(second) == 4, "the exit codes of the programs");
  return 0;
}

static int exits(void) {
  volatile int kept = 0;
  for (int round = 1; round <= 200; ++round) {
    const int32_t parent = self();
    int32_t pid = -1, nested = -1;
    check(wasix_proc_fork_env(&pid) == 0, "vfork");
    check(wasix_proc_fork_env(&nested) == ENOTSUP && nested == -1, "one level only");
    kept = round;
    wasix_proc_exit2(round);
    check(self() == parent && kept == round, "the parent sees what the child wrote");
    check(wait_for(pid) == round, "its exit code");
  }
  check(wait_for(start("/absent", "", -1, -1)) == 127, "a program that is not there");
  return 0;
}

int main(int count_of_arguments, char** arguments) {
  check(count_of_arguments >= 2, "an argument");
  const char* const what = arguments[1];
  if (strcmp(what, "produce") == 0) {
    return produce();
  }
  if (strcmp(what, "count") == 0) {
    return count();
  }
  const int result = strcmp(what, "pipeline") == 0 ? pipeline(arguments[2]) : exits();
  puts("ok");
  return result;
}
