/* Needs library.so before it starts, with a C library of its own. Prints what the library says. */

#include <stdio.h>

int library_add(int a);
double library_mix(int a, double b, long long c, float d);
__attribute__((weak)) int nobody_defines_this(void);

#define VISIBLE __attribute__((visibility("default"), used))
VISIBLE int program_value = 3;
VISIBLE int program_add(int a, int b) { return a + b; }

int main(void) {
  const int added = library_add(10);
  printf("%d %.1f\n", added, library_mix(1, 0.25, 2, 0.25F));
  return 0;
}
