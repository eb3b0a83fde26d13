// Several programs in one, for packages of several commands; the first argument says which:
//   start NAME [ARGUMENT]  starts a command and ends as it does
//   tell                   prints its arguments and variables, a line each
//   hogs NUMBER            starts as many commands "hog" and waits for them
//   hog                    after a byte of input takes memory until there is none, prints how many
//                          MiB it got, and keeps them
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wasix.h"

extern char** environ;

static int32_t start(const char* name, const char* arguments) {
  int32_t child = -1;
  const int32_t error = wasix_proc_spawn(name, strlen(name), arguments, strlen(arguments), NULL, 0,
                                         NULL, 0, NULL, 0, 1, NULL, 0, &child);
  return error == 0 ? child : -1;
}

static int wait_for(int32_t child) {
  wasix_option_pid pid = {.tag = 1, .pid = child};
  wasix_join_status status;
  if (wasix_proc_join(&pid, 0, &status) != 0) {
    return 125;
  }
  return status.tag == 1 ? status.exit_code : 128 + status.signal;
}

static int start_and_wait(const char* name, const char* argument) {
  char arguments[256];
  snprintf(arguments, sizeof(arguments), argument != NULL ? "%s\n%s" : "%s", name, argument);
  const int32_t child = start(name, arguments);
  return child < 0 ? 127 : wait_for(child);
}

static int tell(int argc, char** argv) {
  for (int index = 0; index < argc; ++index) {
    printf("argument %s\n", argv[index]);
  }
  for (char** variable = environ; *variable != NULL; ++variable) {
    printf("variable %s\n", *variable);
  }
  return 0;
}

static int hogs(int count) {
  int32_t children[16];
  int started = 0;
  while (started < count && started < 16) {
    children[started] = start("hog", "hog");
    if (children[started] < 0) {
      break;
    }
    ++started;
  }
  printf("%d started\n", started);
  fflush(stdout);
  for (int index = 0; index < started; ++index) {
    wait_for(children[index]);
  }
  return 0;
}

static int hog(void) {
  enum { kStep = 1 << 20 };
  int taken = 0;
  char byte;
  if (read(0, &byte, 1) != 1) {
    return 1;
  }
  for (;;) {
    char* more = malloc(kStep);
    if (more == NULL) {
      break;
    }
    memset(more, 1, kStep);
    __asm__ volatile("" : : "r"(more) : "memory");
    ++taken;
  }
  char line[32];
  const int size = snprintf(line, sizeof(line), "hog %d\n", taken);
  write(1, line, (size_t)size);
  for (;;) {
    sleep(3600);
  }
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "start") == 0 && argc > 2) {
    return start_and_wait(argv[2], argc > 3 ? argv[3] : NULL);
  }
  if (strcmp(what, "tell") == 0) {
    return tell(argc, argv);
  }
  if (strcmp(what, "hogs") == 0 && argc > 2) {
    return hogs(atoi(argv[2]));
  }
  if (strcmp(what, "hog") == 0) {
    return hog();
  }
  return 2;
}
