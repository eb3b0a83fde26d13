// Writes each block with a single write(2), as programs do that trust it to wait; says at its end
// how many fell short.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kBlocks = 2000, kBlockBytes = 5000, kLargeBytes = 1000000 };

static char large[kLargeBytes];

static int write_blocks(size_t size, int count) {
  int short_writes = 0;
  for (int i = 0; i < count; ++i) {
    memset(large, 'a' + i % 26, size);
    short_writes += write(1, large, size) != (ssize_t)size;
  }
  return short_writes;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (getenv("PATH_INFO") != NULL) {
    printf("Content-Type: text/plain\r\n\r\n");
    fflush(stdout);
    fprintf(stderr, "short %d\n", write_blocks(kLargeBytes, 20));
  } else if (strcmp(what, "small") == 0) {
    fprintf(stderr, "short %d\n", write_blocks(kBlockBytes, kBlocks));
  } else if (strcmp(what, "large") == 0) {
    fprintf(stderr, "short %d\n", write_blocks(kLargeBytes, 10));
  } else if (strcmp(what, "error") == 0) {
    fprintf(stderr, "%s\n", write(1, "x", 1) == 1 ? "written" : strerror(errno));
  } else {
    char byte = 0;
    fprintf(stderr, "%s\n", read(0, &byte, 1) >= 0 ? "read" : strerror(errno));
  }
  return 0;
}
