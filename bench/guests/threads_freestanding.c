// Where threads.c begins on WASIX: arguments, clock and output without a C library
// (examples/threads says why).
#include <stddef.h>
#include <stdint.h>

#define PREVIEW1_IMPORT(name) \
  __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

typedef struct {
  const void* data;
  size_t size;
} Piece;

int32_t fd_write(int32_t fd, const Piece* pieces, size_t count, size_t* written)
    PREVIEW1_IMPORT(fd_write);
int32_t clock_time_get(uint32_t clock, uint64_t precision, uint64_t* time)
    PREVIEW1_IMPORT(clock_time_get);
int32_t args_sizes_get(size_t* count, size_t* bytes) PREVIEW1_IMPORT(args_sizes_get);
int32_t args_get(char** arguments, char* bytes) PREVIEW1_IMPORT(args_get);
_Noreturn void proc_exit(int32_t code) PREVIEW1_IMPORT(proc_exit);

void run(const char* name, uint32_t count);

static uint64_t now(void) {
  uint64_t time;
  clock_time_get(1, 1, &time);
  return time;
}

static void print_number(uint64_t number) {
  char text[24];
  size_t begin = sizeof(text);
  text[--begin] = '\n';
  do {
    text[--begin] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  const Piece piece = {text + begin, sizeof(text) - begin};
  size_t written;
  fd_write(1, &piece, 1, &written);
}

void _start(void) {
  static char* arguments[8];
  static char bytes[256];
  size_t argument_count, size;
  if (args_sizes_get(&argument_count, &size) != 0 || argument_count != 3 || size > sizeof(bytes) ||
      args_get(arguments, bytes) != 0) {
    proc_exit(2);
  }
  uint32_t count = 0;
  for (const char* digit = arguments[2]; *digit != '\0'; ++digit) {
    count = count * 10 + (uint32_t)(*digit - '0');
  }
  run(arguments[1], count / 10 + 1);  // the first use is not measured
  const uint64_t begin = now();
  run(arguments[1], count);
  print_number((now() - begin) / count);
  proc_exit(0);
}
