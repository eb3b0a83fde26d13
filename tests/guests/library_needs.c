/* A library that needs library.so, and says so. */

extern int library_counter;
int library_add(int a);
__attribute__((weak)) int nobody_defines_this(void);

int needs_run(int a) {
  library_counter = 1;
  return library_add(a) + (nobody_defines_this != 0 ? 1 : 0);
}
