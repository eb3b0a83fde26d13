/* Asyncified, and loads libraries: what a process with functions that another one would not have
 * cannot do. dynamic_fork CASE: ends with 0 and "ok" when everything holds. The memory of a program
 * that forks is a shared one. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasix.h>

#define VISIBLE __attribute__((visibility("default"), used))

VISIBLE int program_value = 3;
VISIBLE int program_add(int a, int b) { return a + b; }

static char error[256];

static void check(int holds, const char* what) {
  if (!holds) {
    printf("not so: %s (%s)\n", what, error);
    exit(1);
  }
}
#define CHECK(condition) check((condition) != 0, #condition)

static int32_t open_library(const char* path) {
  uint32_t handle = 0;
  return wasix_dlopen(path, strlen(path), 0, error, sizeof(error), NULL, 0, &handle);
}

static int32_t fork_and_wait(void) {
  int32_t pid = -1;
  const int32_t failure = wasix_proc_fork(1, &pid);
  if (failure == 0 && pid == 0) {
    _Exit(0);
  }
  wasix_option_pid wanted = {.tag = 1, .pid = pid};
  wasix_join_status status;
  return failure != 0 ? failure : wasix_proc_join(&wanted, 0, &status);
}

static int32_t save_stack(void) {
  static wasix_stack_snapshot snapshot;
  static uint64_t value;
  return wasix_stack_checkpoint(&snapshot, &value);
}

static void expect_stack(int32_t answer) {
  CHECK(fork_and_wait() == answer);
  CHECK(save_stack() == answer);
}

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "";
  expect_stack(0);
  if (strcmp(name, "library") == 0) {
    CHECK(open_library("/guests/library_shared.so") == 0);
    expect_stack(ENOTSUP);
  } else if (strcmp(name, "closure") == 0) {
    uintptr_t closure = 0;
    CHECK(wasix_closure_allocate(&closure) == 0);
    expect_stack(ENOTSUP);
    CHECK(wasix_closure_free(closure) == 0);
    expect_stack(ENOTSUP);
  } else if (strcmp(name, "call") == 0) {
    CHECK(wasix_call_dynamic((uintptr_t)&program_add, NULL, 0, NULL, 0, 0) == 0);
    expect_stack(ENOTSUP);
  } else if (strcmp(name, "unshared") == 0) {
    CHECK(open_library("/guests/library.so") == ENOEXEC);
    CHECK(strstr(error, "link it with `-Wl,--shared-memory`") != NULL);
  } else if (strcmp(name, "nothing") == 0) {
    CHECK(open_library("/guests/nothing.so") == ENOENT);
    expect_stack(0);
  } else {
    CHECK(!"a known case");
  }
  puts("ok");
  return 0;
}
