/* Position-independent, with threads and without a C library: needs library_shared.so and
 * library_tls.so before it starts. Exits with 0, or the number of what went wrong. Compiled for
 * Emscripten, as only there clang makes code for the thread-local variables of libraries. */

#include <stddef.h>
#include <stdint.h>

#include "wasix.h"

_Noreturn void proc_exit(int32_t code)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit")));

extern int library_counter;
int library_add(int a);
extern _Thread_local int tls_counter;
int tls_next(void);
__attribute__((weak)) int nobody_defines_this(void);
extern int nor_this __attribute__((weak));

static int plain_add(int a, int b) { return a + b; }
/* Addresses in data: relocations, which are there before constructors of libraries call. */
static int (*volatile adder)(int, int) = plain_add;
static int (*volatile operation)(int) = library_add;
static int* volatile counter = &library_counter;

int program_value = 3;
int program_add(int a, int b) { return adder(a, b); }

typedef struct {
  void* stack_top; /* read by thread_entry.s */
  int32_t wrong;
} Thread;

static _Alignas(16) char stack[16384];
static Thread other = {.stack_top = stack + sizeof(stack), .wrong = 1};

void run_thread(int32_t id, Thread* self) {
  (void)id;
  self->wrong = tls_counter != 5 || tls_next() != 6 || tls_counter != 6 ||
                operation(0) != 6 + 100 + 3000 || library_add(0) != 7 + 100 + 3000 ||
                &library_counter != counter || library_counter != 8 || nobody_defines_this != NULL;
}

void _start(void) {
  if (operation(10) != 10 + 5 + 100 + 3000 || &library_counter != counter || *counter != 6) {
    proc_exit(1);
  }
  if (tls_counter != 105 || tls_next() != 106 || tls_counter != 106) {
    proc_exit(2);
  }
  if (nobody_defines_this != NULL || &nor_this != NULL) {
    proc_exit(3);
  }
  const int32_t thread = wasi_thread_spawn(&other);
  if (thread < 0 || wasix_thread_join(thread) != 0 || other.wrong != 0) {
    proc_exit(4);
  }
  proc_exit(tls_counter == 106 && library_counter == 8 ? 0 : 5);
}
