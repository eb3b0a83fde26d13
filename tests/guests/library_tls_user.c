/* Uses a thread-local variable of library_tls.so. Only for Emscripten does clang make code that can
 * (through an entry of the offset table). */

extern _Thread_local int tls_counter;

int tls_user_next(void) { return ++tls_counter; }
int* tls_user_address(void) { return &tls_counter; }
