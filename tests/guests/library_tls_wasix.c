/* What wasix-libc adds to its libraries: it allocates a thread's variables. */

#include <stddef.h>

void __wasm_init_tls(void* block);
void* aligned_alloc(size_t alignment, size_t size);

__attribute__((export_name("__wasix_init_tls"))) size_t __wasix_init_tls(void) {
  void* const block = aligned_alloc(__builtin_wasm_tls_align(), __builtin_wasm_tls_size());
  if (block == NULL) {
    __builtin_trap();
  }
  __wasm_init_tls(block);
  return (size_t)block;
}
