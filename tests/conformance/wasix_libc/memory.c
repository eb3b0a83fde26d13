/* Allocation and mappings. */
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

#include "observe.h"

static void allocation(void) {
  enum { kBlocks = 400 };
  static unsigned char* blocks[kBlocks];
  unsigned seed = 1;
  int wrong = 0;
  for (int round = 0; round < 20000; ++round) {
    seed = seed * 1103515245U + 12345U;
    const unsigned at = (seed >> 16) % kBlocks;
    if (blocks[at] != NULL) {
      wrong += blocks[at][0] != (unsigned char)at;
      free(blocks[at]);
      blocks[at] = NULL;
    } else {
      const size_t size = 1 + (seed >> 8) % 20000;
      blocks[at] = malloc(size);
      REQUIRE(blocks[at] != NULL);
      memset(blocks[at], (int)at, size);
    }
  }
  observe("blocks that changed", "%d", wrong);
  for (int at = 0; at < kBlocks; ++at) {
    free(blocks[at]);
  }
  unsigned char* grown = NULL;
  for (size_t size = 1; size < 10000000; size *= 3) {
    grown = realloc(grown, size);
    REQUIRE(grown != NULL);
    grown[size - 1] = 1;
  }
  observe("what realloc kept", "%d", grown[0]);
  free(grown);
  unsigned char* zeros = calloc(1000, 1000);
  REQUIRE(zeros != NULL);
  int others = 0;
  for (size_t at = 0; at < 1000000; ++at) {
    others += zeros[at] != 0;
  }
  observe("bytes of calloc that are not zero", "%d", others);
  free(zeros);
  void* aligned = NULL;
  ERROR_OF("posix_memalign", posix_memalign(&aligned, 4096, 100));
  TRUTH("it is aligned", (uintptr_t)aligned % 4096 == 0);
  free(aligned);
  ERROR_OF("posix_memalign by three", posix_memalign(&aligned, 3, 100));
  /* Volatile, so that the compiler does not leave the calls out. */
  volatile size_t too_much = SIZE_MAX / 2;
  void* volatile block = malloc(too_much);
  TRUTH("malloc of too much", block == NULL && errno == ENOMEM);
  block = calloc(too_much, 16);
  TRUTH("calloc of too much", block == NULL);
}

static void mappings(void) {
  unsigned char* pages =
      mmap(NULL, 200000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TRUTH("an anonymous mapping", pages != MAP_FAILED);
  observe("its content", "%d %d", pages[0], pages[199999]);
  pages[199999] = 1;
  NUMBER("munmap", munmap(pages, 200000));
  enter_folder();
  const int file = open("file", O_RDWR | O_CREAT, 0644);
  REQUIRE(write(file, "mapped text", 11) == 11);
  char* text = mmap(NULL, 11, PROT_READ, MAP_PRIVATE, file, 0);
  TRUTH("a mapping of a file", text != MAP_FAILED);
  if (text != MAP_FAILED) {
    observe("its text", "%.11s", text);
    NUMBER("munmap of the file", munmap(text, 11));
  }
  close(file);
}

static int depth_of_stack(int depth) {
  volatile char frame[512];
  frame[0] = (char)depth;
  return depth == 0 ? 0 : depth_of_stack(depth - 1) + 1 + (frame[0] != (char)depth);
}

int main(void) {
  allocation();
  mappings();
  observe("depth of calls", "%d", depth_of_stack(5000));
  return 0;
}
