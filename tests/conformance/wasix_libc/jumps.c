/* setjmp and longjmp: over frames, out of handlers, many times. */
#include <setjmp.h>
#include <signal.h>

#include "observe.h"

static jmp_buf place;

static int descend(int depth) {
  if (depth == 0) {
    longjmp(place, 42);
  }
  return descend(depth - 1) + 1;
}

static void on_signal(int number) { longjmp(place, number == SIGUSR1 ? 7 : 8); }

static int thrown(int value) {
  jmp_buf outer;
  memcpy(outer, place, sizeof(outer));
  const int caught = setjmp(place);
  if (caught == 0) {
    longjmp(place, value);
  }
  memcpy(place, outer, sizeof(outer));
  return caught;
}

int main(void) {
  volatile int rounds = 0;
  int value = setjmp(place);
  observe(value == 0    ? "first return"
          : value == 42 ? "return from the depth"
                        : "later return",
          "%d", value);
  if (value == 0) {
    descend(50);
  }
  jmp_buf again;
  value = setjmp(again);
  if (rounds++ < 3) {
    longjmp(again, rounds);
  }
  observe("value of the last jump", "%d", value);
  jmp_buf zero;
  value = setjmp(zero);
  if (value == 0) {
    longjmp(zero, 0);
  }
  observe("a jump with zero", "%d", value);
  volatile int jumps = 0;
  for (volatile int round = 0; round < 1000; ++round) {
    jmp_buf one;
    if (setjmp(one) == 0) {
      if (round % 2 == 1) {
        longjmp(one, 1);
      }
    } else {
      ++jumps;
    }
  }
  observe("jumps in a loop", "%d", jumps);
  volatile int sum = 0;
  for (volatile int round = 1; round <= 100; ++round) {
    sum += thrown(round);
  }
  observe("sum of nested jumps", "%d", sum);
  signal(SIGUSR1, on_signal);
  value = setjmp(place);
  if (value == 0) {
    raise(SIGUSR1);
    observe("unreachable", "%d", value);
  }
  observe("a jump out of a handler", "%d", value);
  return 0;
}
