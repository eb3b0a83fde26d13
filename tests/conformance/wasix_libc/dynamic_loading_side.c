/* The library of dynamic_loading.c. */

extern int shared_number;
extern const char* constructor_said;
extern int doubled(int value);

int side_number = 5;
static int calls;
static __thread int of_thread = 10;

__attribute__((constructor)) static void start(void) {
  constructor_said = side_number == 5 && of_thread == 10 ? "ran after relocation" : "ran too early";
}

int combine(int value) {
  ++calls;
  return value + calls + side_number + doubled(value) + shared_number;
}

int (*get_combine(void))(int) { return combine; }

int call(int (*function)(int), int value) { return function(value); }

int next_of_thread(void) { return ++of_thread; }
