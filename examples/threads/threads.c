// Adds up the numbers from 1 to a million with as many threads as the argument says. Each takes the
// next block of numbers and adds its sum to the total; a mutex guards both.
//
// There is no C library here: one that is built without -matomics cannot be linked to a shared
// memory. thread_entry.s gives each thread its stack.
#include <stddef.h>
#include <stdint.h>

#include "wasix.h"

#define PREVIEW1_IMPORT(name) \
  __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

typedef struct {
  const void* data;
  size_t size;
} Piece;

int32_t fd_write(int32_t fd, const Piece* pieces, size_t count, size_t* written)
    PREVIEW1_IMPORT(fd_write);
int32_t args_sizes_get(size_t* count, size_t* bytes) PREVIEW1_IMPORT(args_sizes_get);
int32_t args_get(char** arguments, char* bytes) PREVIEW1_IMPORT(args_get);
_Noreturn void proc_exit(int32_t code) PREVIEW1_IMPORT(proc_exit);

enum {
  kThreadsMax = 64,
  kStackBytes = 16384,
  kNumbers = 1000000,
  kBlock = 1000,
  kArgumentsMax = 8,
  kArgumentBytesMax = 256
};

// ---- A mutex ----

enum { kFree, kLocked, kLockedAndAwaited };

typedef struct {
  uint32_t state;
} Mutex;

static void lock(Mutex* mutex) {
  uint32_t state = kFree;
  if (__atomic_compare_exchange_n(&mutex->state, &state, kLocked, 0, __ATOMIC_ACQUIRE,
                                  __ATOMIC_RELAXED)) {
    return;
  }
  // From here on the state says "awaited": whether somebody else waits too is not known.
  const wasix_option_timestamp forever = {0};
  while (__atomic_exchange_n(&mutex->state, kLockedAndAwaited, __ATOMIC_ACQUIRE) != kFree) {
    uint8_t woken;
    wasix_futex_wait(&mutex->state, kLockedAndAwaited, &forever, &woken);
  }
}

static void unlock(Mutex* mutex) {
  if (__atomic_exchange_n(&mutex->state, kFree, __ATOMIC_RELEASE) == kLockedAndAwaited) {
    uint8_t woken;
    wasix_futex_wake(&mutex->state, &woken);
  }
}

// ---- Threads ----

typedef struct {
  void* stack_top;  // first: thread_entry.s reads it
  int32_t id;       // as wasi_thread_spawn answered
  uint32_t blocks;  // how many this thread took
} Worker;
_Static_assert(offsetof(Worker, stack_top) == 0, "what thread_entry.s expects");

static _Alignas(16) uint8_t stacks[kThreadsMax][kStackBytes];
static Worker workers[kThreadsMax];

static Mutex mutex;
static uint32_t next = 1;   // guarded by mutex
static uint64_t total = 0;  // guarded by mutex

void run_thread(int32_t id, Worker* self) {
  (void)id;
  uint64_t sum = 0;
  for (;;) {
    lock(&mutex);
    total += sum;
    const uint32_t first = next;
    if (first <= kNumbers) {
      next = first + kBlock;
    }
    wasix_thread_sleep(0);  // threads take turns: the others find the mutex locked,
    unlock(&mutex);
    wasix_thread_sleep(0);  // and now the one that was woken finds it free
    if (first > kNumbers) {
      return;
    }
    sum = 0;
    for (uint32_t number = first; number < first + kBlock; ++number) {
      sum += number;
    }
    ++self->blocks;
  }
}

// ---- Input and output ----

static size_t length_of(const char* text) {
  size_t length = 0;
  while (text[length] != '\0') {
    ++length;
  }
  return length;
}

static void print(int32_t fd, const char* text) {
  const Piece piece = {.data = text, .size = length_of(text)};
  size_t written;
  fd_write(fd, &piece, 1, &written);
}

static void print_number(uint64_t number) {
  char digits[21];
  size_t at = sizeof(digits) - 1;
  digits[at] = '\0';
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  print(1, digits + at);
}

static _Noreturn void fail(const char* message) {
  print(2, message);
  proc_exit(1);
}

static uint32_t thread_count(void) {
  size_t count, bytes;
  static char* arguments[kArgumentsMax];
  static char text[kArgumentBytesMax];
  if (args_sizes_get(&count, &bytes) != 0 || count > kArgumentsMax || bytes > kArgumentBytesMax ||
      args_get(arguments, text) != 0) {
    fail("threads: too many arguments\n");
  }
  uint32_t number = 0;
  for (const char* digit = count == 2 ? arguments[1] : "4"; *digit != '\0'; ++digit) {
    if (*digit < '0' || *digit > '9' || number > kThreadsMax) {
      fail("usage: threads [1 to 64]\n");
    }
    number = number * 10 + (uint32_t)(*digit - '0');
  }
  if (number == 0 || number > kThreadsMax || count > 2) {
    fail("usage: threads [1 to 64]\n");
  }
  return number;
}

void _start(void) {
  const uint32_t count = thread_count();
  for (uint32_t i = 0; i < count; ++i) {
    workers[i].stack_top = stacks[i] + kStackBytes;  // stacks grow downwards
    workers[i].id = wasi_thread_spawn(&workers[i]);
    if (workers[i].id < 0) {
      fail("threads: a thread cannot be started\n");
    }
  }
  uint32_t blocks = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (wasix_thread_join(workers[i].id) != 0) {
      fail("threads: a thread cannot be waited for\n");
    }
    blocks += workers[i].blocks;
  }
  print_number(count);
  print(1, " threads took ");
  print_number(blocks);
  print(1, " blocks; the sum is ");
  print_number(total);
  print(1, "\n");
}
