// A CGI program that misbehaves on request. The query string picks the behaviour:
//   status=N   answers with that status          exit=N    exits with N before any header
//   trap       traps before any header           late_trap traps after head and a part of the body
//   spin       says so to standard error and never answers
//   flood      writes body without end
//   inject     sends a header with a bare CR     no_end    sends headers but never the blank line
//   go_on      answers, closes its output and goes on: a second later it writes to standard error
//   go_on_without_answer   closes its output before any header, and does not end
//   memory     allocates until it fails, then answers how far it came
//   log=TEXT   writes a line to standard error
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void answer(const char* status) {
  printf("Status: %s\r\nContent-Type: text/plain\r\n\r\n", status);
}

static void flood(void) {
  answer("200 OK");
  static char block[65536];
  memset(block, 'x', sizeof(block));
  while (fwrite(block, 1, sizeof(block), stdout) == sizeof(block)) {
  }
  exit(3);
}

// Where each block goes, so that the compiler cannot remove its allocation.
static char* volatile last_block;

static void go_on(void) {
  answer("200 OK");
  printf("all of it\n");
  fclose(stdout);
  sleep(1);
  fprintf(stderr, "done after the answer\n");
}

static void use_memory(void) {
  const size_t step = 1 << 20;
  size_t total = 0;
  for (;;) {
    char* block = malloc(step);
    if (block == NULL) {
      break;
    }
    memset(block, 1, step);
    last_block = block;
    total += step;
  }
  answer("200 OK");
  printf("%zu\n", total);
}

int main(void) {
  const char* query = getenv("QUERY_STRING");
  if (query == NULL) {
    query = "";
  }
  if (strncmp(query, "status=", 7) == 0) {
    answer(query + 7);
    printf("status %s\n", query + 7);
  } else if (strncmp(query, "exit=", 5) == 0) {
    fprintf(stderr, "exiting as asked\n");
    return atoi(query + 5);
  } else if (strncmp(query, "log=", 4) == 0) {
    fprintf(stderr, "%s\n", query + 4);
    answer("200 OK");
  } else if (strcmp(query, "go_on") == 0) {
    go_on();
  } else if (strcmp(query, "go_on_without_answer") == 0) {
    fclose(stdout);
    for (;;) {
      sleep(1);
    }
  } else if (strcmp(query, "trap") == 0) {
    __builtin_trap();
  } else if (strcmp(query, "late_trap") == 0) {
    answer("200 OK");
    printf("a part");
    fflush(stdout);
    __builtin_trap();
  } else if (strcmp(query, "spin") == 0) {
    fprintf(stderr, "spinning\n");
    for (volatile unsigned turn = 0;; ++turn) {
    }
  } else if (strcmp(query, "flood") == 0) {
    flood();
  } else if (strcmp(query, "inject") == 0) {
    printf("Content-Type: text/plain\r\nX-One: a\rX-Two: b\r\n\r\nbody\n");
  } else if (strcmp(query, "no_end") == 0) {
    printf("Content-Type: text/plain\r\n");
  } else if (strcmp(query, "memory") == 0) {
    use_memory();
  } else {
    answer("200 OK");
    printf("ok\n");
  }
  return 0;
}
