/* With a shared memory and no C library: two threads hand over to each other without a host call,
 * each waiting in a loop until it is its turn. Exits with the number of threads that can compute at
 * once, or 100 when the handing over went wrong. Its threads enter by
 * examples/threads/thread_entry.s.
 */
#include <stddef.h>
#include <stdint.h>

#include "wasix.h"

_Noreturn void proc_exit(int32_t code)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit")));

enum { kStackBytes = 16384, kTurns = 100 };

typedef struct {
  void* stack_top; /* read by thread_entry.s */
} Thread;

static _Alignas(16) char stack[kStackBytes];
static Thread thread = {stack + kStackBytes};
static uint32_t turn;

/* Takes every second turn, from `first` on. */
static void take_turns(uint32_t first) {
  for (uint32_t own = first; own < kTurns; own += 2) {
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != own) {
    }
    __atomic_store_n(&turn, own + 1, __ATOMIC_RELEASE);
  }
}

void run_thread(int32_t id, Thread* self) {
  (void)id;
  (void)self;
  take_turns(1);
}

void _start(void) {
  const int32_t id = wasi_thread_spawn(&thread);
  if (id < 0) {
    proc_exit(100);
  }
  take_turns(0);
  uint32_t cores = 0;
  if (wasix_thread_join(id) != 0 || turn != kTurns || wasix_thread_parallelism(&cores) != 0) {
    proc_exit(100);
  }
  proc_exit((int32_t)cores);
}
