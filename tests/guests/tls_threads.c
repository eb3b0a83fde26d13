/* Thread-local variables of libraries, without a C library: each thread has its own, whether it
 * began before the library was loaded or later. Exits with 0, or the number of what went wrong.
 * Its threads enter by examples/threads/thread_entry.s; the libraries are in /guests. */

#include <stddef.h>
#include <stdint.h>

#include "wasix.h"

_Noreturn void proc_exit(int32_t code)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit")));

#define VISIBLE __attribute__((visibility("default"), used))
/* Nobody calls it: what a thread gets is decided without its help. */
VISIBLE void* aligned_alloc(size_t alignment, size_t size) {
  (void)alignment, (void)size;
  return NULL;
}

enum { kStackBytes = 16384, kThreads = 4, kRounds = 1000 };

typedef struct {
  void* stack_top; /* read by thread_entry.s */
  int* counter;
  int32_t wrong;
} Thread;

static _Alignas(16) char stacks[kThreads][kStackBytes];
static Thread threads[kThreads];
static uint32_t library;
static int (*volatile next)(void);
/* Of a library that uses the variable of another one. */
static int (*volatile user_next)(void);
static int* (*volatile user_address)(void);
static volatile uint32_t round;

static void* find(uint32_t handle, const char* name, size_t size) {
  uintptr_t address = 0;
  return wasix_dlsym(handle, name, size, NULL, 0, &address) == 0 ? (void*)address : NULL;
}
#define FIND(handle, name) find(handle, name, sizeof(name) - 1)

static void wait_beyond(uint32_t before) {
  uint8_t woken = 0;
  const wasix_option_timestamp forever = {0};
  while (round <= before) {
    wasix_futex_wait((const uint32_t*)&round, before, &forever, &woken);
  }
}

static void wake(void) {
  uint8_t woken = 0;
  __atomic_add_fetch(&round, 1, __ATOMIC_SEQ_CST);
  do {
    wasix_futex_wake((const uint32_t*)&round, &woken);
  } while (woken);
}

void run_thread(int32_t id, Thread* self) {
  (void)id;
  if (user_next != NULL) {
    self->wrong = user_next() != 6 || next() != 7 || user_address() != FIND(library, "tls_counter");
    return;
  }
  wait_beyond(0);
  for (int call = 0; call < kRounds; call++) {
    self->wrong += next() != 6 + call;
  }
  self->counter = FIND(library, "tls_counter");
  self->wrong += self->counter == NULL || *self->counter != 5 + kRounds;
}

static int32_t begin(int index) {
  threads[index].stack_top = stacks[index] + kStackBytes;
  return wasi_thread_spawn(&threads[index]);
}

static uint32_t load(const char* path, size_t size, int32_t failure) {
  uint32_t handle = 0;
  if (wasix_dlopen(path, size, 0, NULL, 0, NULL, 0, &handle) != 0) {
    proc_exit(failure);
  }
  return handle;
}

/* Two threads before it is loaded, two later, one of which is alone with the first. */
static void check(const char* path, size_t size, int32_t failure) {
  round = 0;
  int32_t ids[kThreads];
  for (int index = 0; index < kThreads; index++) {
    threads[index].wrong = 0;
  }
  ids[0] = begin(0);
  ids[1] = begin(1);
  library = load(path, size, failure);
  next = (int (*)(void))FIND(library, "tls_next");
  int* const own = FIND(library, "tls_counter");
  if (next == NULL || own == NULL || *own != 105 || next() != 106 || *own != 106) {
    proc_exit(failure + 1);
  }
  ids[2] = begin(2);
  wake();
  for (int index = 0; index < kThreads; index++) {
    if (index == 3) {
      ids[3] = begin(3);
    }
    if (ids[index] < 0 || wasix_thread_join(ids[index]) != 0 || threads[index].wrong != 0 ||
        threads[index].counter == own) {
      proc_exit(failure + 2);
    }
  }
  if (next() != 107) {
    proc_exit(failure + 3);
  }
}
#define CHECK(path, failure) check(path, sizeof(path) - 1, failure)

void _start(void) {
  CHECK("/guests/library_tls_init.so", 10);
  CHECK("/guests/library_tls_wasix.so", 20);
  CHECK("/guests/library_tls.so", 30);
  static const char path[] = "/guests/library_tls_user.so";
  const uint32_t user = load(path, sizeof(path) - 1, 40);
  user_next = (int (*)(void))FIND(user, "tls_user_next");
  user_address = (int* (*)(void))FIND(user, "tls_user_address");
  if (user_next == NULL || user_address == NULL || user_next() != 108 || next() != 109) {
    proc_exit(41);
  }
  /* The memory of threads that have ended is used again. */
  const size_t pages = __builtin_wasm_memory_size(0);
  for (int count = 0; count < 500; count++) {
    const int32_t thread = begin(0);
    if (thread < 0 || wasix_thread_join(thread) != 0 || threads[0].wrong != 0) {
      proc_exit(42);
    }
  }
  if (__builtin_wasm_memory_size(0) > pages + 1) {
    proc_exit(44);
  }
  proc_exit(next() == 110 ? 0 : 43);
}
