/* Threads and libraries, without a C library: what one thread loads, the others can call. One of
 * them waits meanwhile, one computes without any host call, one begins later. Exits with 0, or the
 * number of what went wrong. Its threads enter by examples/threads/thread_entry.s;
 * library_shared.so is in /guests. */

#include <stddef.h>
#include <stdint.h>

#include "wasix.h"

_Noreturn void proc_exit(int32_t code)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit")));

#define VISIBLE __attribute__((visibility("default"), used))
VISIBLE int program_value = 3;
VISIBLE int program_add(int a, int b) { return a + b; }

enum { kStackBytes = 16384, kThreads = 3 };

typedef struct {
  void* stack_top; /* read by thread_entry.s */
  int32_t spins;
  int32_t sum;
} Thread;

static _Alignas(16) char stacks[kThreads][kStackBytes];
static Thread threads[kThreads];
/* The function, once it is known; and a word that says so. */
static int (*volatile function)(int);
static volatile uint32_t known;

void run_thread(int32_t id, Thread* self) {
  (void)id;
  uint8_t woken = 0;
  const wasix_option_timestamp forever = {0};
  while (__atomic_load_n(&known, __ATOMIC_SEQ_CST) == 0) {
    if (!self->spins) {
      wasix_futex_wait((const uint32_t*)&known, 0, &forever, &woken);
    }
  }
  for (int round = 0; round < 1000; round++) {
    self->sum += function(0) >= 3000;
  }
}

static void* find(uint32_t handle, const char* name, size_t size) {
  uintptr_t address = 0;
  return wasix_dlsym(handle, name, size, NULL, 0, &address) == 0 ? (void*)address : NULL;
}

static int32_t begin(int index) {
  threads[index].stack_top = stacks[index] + kStackBytes;
  return wasi_thread_spawn(&threads[index]);
}

void _start(void) {
  threads[1].spins = 1;
  const int32_t waiting = begin(0), spinning = begin(1);
  if (waiting < 0 || spinning < 0) {
    proc_exit(1);
  }
  wasix_thread_sleep(5000000); /* they are where they are to be */
  static const char path[] = "/guests/library_shared.so";
  uint32_t handle = 0;
  if (wasix_dlopen(path, sizeof(path) - 1, 0, NULL, 0, NULL, 0, &handle) != 0) {
    proc_exit(2);
  }
  int* counter = find(handle, "library_counter", 15);
  function = (int (*)(int))find(handle, "library_add", 11);
  if (counter == NULL || function == NULL || *counter != 5) {
    proc_exit(3);
  }
  uint8_t woken = 0;
  __atomic_store_n(&known, 1, __ATOMIC_SEQ_CST);
  wasix_futex_wake((const uint32_t*)&known, &woken);
  const int32_t later = begin(2);
  if (later < 0 || wasix_thread_join(waiting) != 0 || wasix_thread_join(spinning) != 0 ||
      wasix_thread_join(later) != 0) {
    proc_exit(4);
  }
  for (int index = 0; index < kThreads; index++) {
    if (threads[index].sum != 1000) {
      proc_exit(10 + index);
    }
  }
  /* All of them have one variable. */
  proc_exit(*counter == 5 + kThreads * 1000 ? 0 : 5);
}
