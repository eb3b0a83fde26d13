/* A library for dynamic.c and library_threads.c. It uses a function and a variable of the program,
 * has data with addresses in it, a constructor, and functions that are called through pointers. */

int program_add(int a, int b);
extern int program_value;

int library_counter = 5;
int* library_counter_address = &library_counter;
static int constructed;

int library_add(int a) {
  return program_add(a, library_counter++) + constructed * 100 + program_value * 1000;
}

static int negate(int a) { return -a; }
static int twice(int a) { return 2 * a; }
static int (*const operations[])(int) = {negate, twice, library_add};

int (*library_operation(int index))(int) { return operations[index]; }

__attribute__((constructor)) static void construct(void) {
  constructed = program_add(*library_counter_address, 2) == 7 ? 1 : 9;
}

double library_mix(int a, double b, long long c, float d) { return a + b + (double)c + (double)d; }
