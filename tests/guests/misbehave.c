// Does what its first argument, or under CGI the last segment of PATH_INFO, says: every
// way in which a program can go wrong, each of which must end its own run only.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void head(void) {
  printf("Content-Type: text/plain\r\n\r\n");
  fflush(stdout);
}

static void spin(void) {
  for (volatile unsigned long i = 0;; ++i) {
  }
}

// Volatile, so that the compiler cannot see that nobody needs what follows.
static char* volatile kept;
static volatile int depth;

static int recurse(int level) {
  depth = level;
  return depth < 0 ? 0 : recurse(level + 1) + depth;
}

static void allocate_without_end(void) {
  for (size_t size = 1 << 20;; size += 1 << 20) {
    char* block = kept = malloc(size);
    if (block == NULL) {
      printf("out of memory\n");
      exit(3);
    }
    memset(block, 1, size);
  }
}

static void write_without_end(int fd) {
  static char block[65536];
  memset(block, 'x', sizeof(block));
  for (size_t i = 100; i < sizeof(block); i += 101) {
    block[i] = '\n';
  }
  while (write(fd, block, sizeof(block)) > 0) {
  }
  exit(4);
}

// Ways to end without an answer.
static int end_early(const char* what) {
  if (strncmp(what, "exit", 4) == 0 && what[4] != '-') {
    return atoi(what + 4);
  } else if (strcmp(what, "trap") == 0) {
    __builtin_trap();
  } else if (strcmp(what, "abort") == 0) {
    abort();
  } else if (strcmp(what, "spin") == 0) {
    spin();
  } else if (strcmp(what, "recurse") == 0) {
    return recurse(0);
  } else if (strcmp(what, "allocate") == 0) {
    allocate_without_end();
  } else if (strcmp(what, "nothing") == 0) {
    return 0;
  } else if (strcmp(what, "malformed") == 0) {
    printf("this is no header\r\n\r\nbody");
  } else if (strcmp(what, "inject") == 0) {
    printf("Content-Type: text/plain\r\nX-Evil: a\rSet-Cookie: b=c\r\n\r\n");
  } else if (strcmp(what, "endless-head") == 0) {
    printf("X-Long: ");
    fflush(stdout);
    write_without_end(1);
  } else if (strcmp(what, "no-end-of-head") == 0) {
    printf("Content-Type: text/plain\r\n");
  } else if (strcmp(what, "sleep") == 0) {
    sleep(1000);
  } else {
    return -1;
  }
  return 0;
}

// Ways to go wrong after the head of the answer, and to be right.
static int go_on(const char* what) {
  head();
  if (strcmp(what, "fine") == 0) {
    printf("fine\n");
  } else if (strcmp(what, "trap-later") == 0) {
    printf("half of it");
    fflush(stdout);
    __builtin_trap();
  } else if (strcmp(what, "exit-later") == 0) {
    printf("whole\n");
    return 7;
  } else if (strcmp(what, "write") == 0) {
    write_without_end(1);
  } else if (strcmp(what, "log") == 0) {
    for (int i = 0; i < 10000; ++i) {
      fprintf(stderr, "line %d \033[31mred\033[0m\n", i);
    }
    printf("logged\n");
  } else if (strcmp(what, "close-input") == 0) {
    close(0);
    printf("closed\n");
  } else if (strcmp(what, "close-output") == 0) {
    printf("closed\n");
    fflush(stdout);
    close(1);
  } else if (strcmp(what, "sleep-later") == 0) {
    printf("first\n");
    fflush(stdout);
    sleep(1000);
  } else {
    fprintf(stderr, "misbehave: how?\n");
    return 2;
  }
  return 0;
}

int main(int argc, char** argv) {
  const char* path = getenv("PATH_INFO");
  const char* what = argc > 1 ? argv[1] : path != NULL ? strrchr(path, '/') + 1 : "";
  const int code = end_early(what);
  return code >= 0 ? code : go_on(what);
}
