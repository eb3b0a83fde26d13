/* Asyncified, with a shared memory and no C library: one thread computes without a host call, on
 * all of a large array, while another one forks again and again. Saving a stack borrows a piece of
 * memory, and making a child maps all of it anew: neither may lose what the first thread writes
 * meanwhile. Exits with 0 when nothing was lost. Its threads enter by
 * examples/threads/thread_entry.s.
 */
#include <stddef.h>
#include <stdint.h>

#include "wasix.h"

_Noreturn void proc_exit(int32_t code)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit")));
int32_t sched_yield(void)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("sched_yield")));

enum { kStackBytes = 16384, kWords = 512 * 1024, kForks = 40, kChildCode = 7 };

typedef struct {
  void* stack_top; /* read by thread_entry.s */
} Thread;

static _Alignas(16) char stack[kStackBytes];
static Thread thread = {stack + kStackBytes};
static uint32_t stop;
static volatile uint32_t rounds;
static volatile uint32_t lost;
static volatile uint32_t words[kWords];

void run_thread(int32_t id, Thread* self) {
  (void)id;
  (void)self;
  for (uint32_t round = 0; !__atomic_load_n(&stop, __ATOMIC_SEQ_CST); ++round) {
    for (uint32_t index = 0; index < kWords; ++index) {
      if (words[index] != round) {
        lost = 1;
      }
      words[index] = round + 1;
    }
    rounds = round + 1;
  }
}

static int32_t code_of_child(void) {
  int32_t pid = -1;
  if (wasix_proc_fork(1, &pid) != 0) {
    return -1;
  }
  if (pid == 0) {
    proc_exit(kChildCode);
  }
  wasix_option_pid wanted = {.tag = 1, .pid = pid};
  wasix_join_status status = {0};
  if (wasix_proc_join(&wanted, 0, &status) != 0 || status.tag != 1) {
    return -1;
  }
  return status.exit_code;
}

void _start(void) {
  const int32_t id = wasi_thread_spawn(&thread);
  if (id < 0) {
    proc_exit(1);
  }
  for (uint32_t fork = 0; fork < kForks; ++fork) {
    if (code_of_child() != kChildCode) {
      proc_exit(2);
    }
  }
  while (rounds == 0) {
    sched_yield();
  }
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  wasix_thread_join(id);
  proc_exit(lost ? 3 : 0);
}
