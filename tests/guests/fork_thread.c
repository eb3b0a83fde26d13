/* Asyncified, with a shared memory and no C library: a thread forks, and the child has that thread
 * alone. Exits with the child's code plus 10. Its threads enter by examples/threads/thread_entry.s.
 */
#include <stddef.h>
#include <stdint.h>

#include "wasix.h"

_Noreturn void proc_exit(int32_t code)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit")));

enum { kStackBytes = 16384 };

typedef struct {
  void* stack_top; /* read by thread_entry.s */
  int32_t code;
} Thread;

static _Alignas(16) char stack[kStackBytes];
static Thread thread = {stack + kStackBytes, -1};
static volatile uint32_t main_goes_on;

void run_thread(int32_t id, Thread* self) {
  volatile int32_t pid = -1;
  int32_t forked = -1;
  if (id <= 1 || wasix_proc_fork(1, &forked) != 0) {
    return;
  }
  pid = forked;
  if (pid == 0) {
    int32_t own_id = -1;
    wasix_thread_id(&own_id);
    wasix_thread_sleep(1000000);
    /* In the parent the first thread has changed it by now, but there is none here. */
    proc_exit(own_id == 1 && main_goes_on == 0 ? 7 : 8);
  }
  __atomic_store_n(&main_goes_on, 1, __ATOMIC_SEQ_CST);
  wasix_option_pid wanted = {.tag = 1, .pid = pid};
  wasix_join_status status = {0};
  if (wasix_proc_join(&wanted, 0, &status) == 0 && status.tag == 1) {
    self->code = status.exit_code;
  }
}

void _start(void) {
  const int32_t id = wasi_thread_spawn(&thread);
  if (id < 0 || wasix_thread_join(id) != 0) {
    proc_exit(1);
  }
  proc_exit(thread.code + 10);
}
