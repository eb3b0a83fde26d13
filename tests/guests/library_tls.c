/* A library with thread-local variables, for tls_threads.c. With ADDRESS one of them begins with an
 * address, which takes the linker's __wasm_init_tls. */

#include <stdint.h>

_Thread_local int tls_counter = 5;
static _Thread_local int calls = 7;
static _Alignas(64) _Thread_local char zeros[100];
int tls_shared = 3;
#ifdef ADDRESS
static _Thread_local int* pointer = &tls_shared;
#endif

/* The next number of this thread: 6 at first, 106 in the one that has loaded the library. */
int tls_next(void) {
#ifdef ADDRESS
  if (pointer != &tls_shared) {
    return -1;
  }
#endif
  if ((uintptr_t)zeros % 64 != 0 || zeros[99]++ != (char)(calls++ - 7)) {
    return -2;
  }
  return ++tls_counter;
}

__attribute__((constructor)) static void construct(void) { tls_counter += 100; }
