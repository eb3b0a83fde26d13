// What threads cost: making and joining one, handing over by futex, and computing side by side.
// Built twice, against WASIX with threads_freestanding.c and against Linux, so that the same work
// is compared (bench/machine_bench.py).
//
// usage: threads NAME COUNT     prints nanoseconds per operation
#include <wasix.h>

enum { kMain, kOther, kEnd };

static uint32_t turn;
static int ping_pong;
// Blocks of steps that each of kComputing threads still has to compute; their results keep the
// compiler from leaving them out.
enum { kComputing = 4, kStepsOfBlock = 1000 };
static uint32_t blocks;
static volatile uint64_t results[kComputing];

static void hand_over(uint32_t to) {
  uint8_t woken;
  __atomic_store_n(&turn, to, __ATOMIC_RELEASE);
  wasix_futex_wake(&turn, &woken);
}

// What `turn` says when it is not `other` any more.
static uint32_t wait_while(uint32_t other) {
  const wasix_option_timestamp forever = {0};
  uint32_t value;
  while ((value = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) == other) {
    uint8_t woken;
    wasix_futex_wait(&turn, other, &forever, &woken);
  }
  return value;
}

static void compute(int32_t id) {
  uint64_t value = (uint64_t)id + 1;
  for (uint64_t step = 0; step < (uint64_t)blocks * kStepsOfBlock; ++step) {
    value ^= value << 13;
    value ^= value >> 7;
    value ^= value << 17;
  }
  results[id % kComputing] = value;
}

void run_thread(int32_t id, void* argument) {
  (void)argument;
  if (blocks != 0) {
    compute(id);
    return;
  }
  while (ping_pong && wait_while(kMain) == kOther) {
    hand_over(kMain);
  }
}

// One of `number` at a time, below kComputing.
static int32_t start_thread(uint32_t number) {
  enum { kStackBytes = 65536 };
  static _Alignas(16) uint8_t stacks[kComputing][kStackBytes];
  // What thread_entry.s of examples/threads reads: the top of the stack.
  static uint8_t* stack_tops[kComputing];
  stack_tops[number] = stacks[number] + kStackBytes;
  return wasi_thread_spawn(&stack_tops[number]);
}

static void create_and_join(uint32_t count) {
  for (uint32_t number = 0; number < count; ++number) {
    wasix_thread_join(start_thread(0));
  }
}

// An operation is to the other thread and back.
static void futex_ping_pong(uint32_t count) {
  ping_pong = 1;
  turn = kMain;
  const int32_t thread = start_thread(0);
  for (uint32_t number = 0; number < count; ++number) {
    hand_over(kOther);
    wait_while(kOther);
  }
  hand_over(kEnd);
  wasix_thread_join(thread);
}

// An operation is one block of steps, of all threads together.
static void sum_of_threads(uint32_t count) {
  int32_t threads[kComputing];
  blocks = count / kComputing + 1;
  for (uint32_t number = 0; number < kComputing; ++number) {
    threads[number] = start_thread(number);
  }
  for (uint32_t number = 0; number < kComputing; ++number) {
    wasix_thread_join(threads[number]);
  }
}

void run(const char* name, uint32_t count) {
  if (name[0] == 'c') {
    create_and_join(count);
  } else if (name[0] == 's') {
    sum_of_threads(count);
  } else {
    futex_ping_pong(count);
  }
}

#ifndef __wasm__
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void wasi_thread_start(int32_t id, void* argument) { run_thread(id, argument); }

int main(int argc, char** argv) {
  if (argc != 3) {
    return 2;
  }
  const uint32_t count = (uint32_t)atoi(argv[2]);
  run(argv[1], count / 10 + 1);  // the first use is not measured
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  run(argv[1], count);
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf(
      "%.1f\n",
      ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / count);
  return 0;
}
#endif
