/* Contexts: a generator, many that talk to each other, what is refused, what ends the program. The
 * first argument says what to do; "ok" is the last line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasix.h"

#define STACK_BYTES (32 << 10)

static void check(int holds, const char* what) {
  if (!holds) {
    printf("not so: %s\n", what);
    exit(1);
  }
}
#define CHECK(condition) check((condition) != 0, #condition)

typedef struct {
  uint64_t id;
  char* stack;
  int begun;
} coroutine;

static void make(coroutine* made, void (*entry)(void)) {
  CHECK(wasix_context_create(&made->id, entry) == 0);
  made->stack = aligned_alloc(16, STACK_BYTES);
  made->begun = 0;
}

static void go(coroutine* to) {
  void* const stack_end = to->begun ? NULL : to->stack + STACK_BYTES;
  to->begun = 1;
  CHECK(wasix_context_switch_stack(to->id, stack_end) == 0);
}

static void go_to_main(void) { CHECK(wasix_context_switch_stack(WASIX_CONTEXT_MAIN, NULL) == 0); }

static void destroy(coroutine* gone) {
  CHECK(wasix_context_destroy(gone->id) == 0);
  free(gone->stack);
}

/* ---- A walk through a tree that is a recursion, one leaf at a time ---- */
static int leaf;
static int leaves_end;

static void walk(int depth, int number) {
  char path[32]; /* in memory: on the context's own stack */
  snprintf(path, sizeof(path), "%d/%d", depth, number);
  if (depth == 0) {
    leaf = number;
    go_to_main();
  } else {
    walk(depth - 1, number * 2);
    walk(depth - 1, number * 2 + 1);
  }
  int again_depth, again_number;
  CHECK(sscanf(path, "%d/%d", &again_depth, &again_number) == 2);
  CHECK(again_depth == depth && again_number == number);
}

static void generate(void) {
  walk(10, 0);
  leaves_end = 1;
  go_to_main();
}

static void generator(void) {
  coroutine tree;
  make(&tree, generate);
  int count = 0;
  for (go(&tree); !leaves_end; go(&tree)) {
    CHECK(leaf == count);
    ++count;
  }
  CHECK(count == 1024);
  destroy(&tree);
}

/* ---- A ring of contexts that pass on a message, each adding a letter ---- */
#define RING 20
static coroutine ring[RING];
static char* message;
static int arrived;

static void pass_on(void) {
  const int own = arrived;
  for (int round = 0;; ++round) {
    char longer[256];
    CHECK(snprintf(longer, sizeof(longer), "%s%c", message, 'a' + own) < 256);
    free(message);
    message = strdup(longer);
    CHECK((int)strlen(message) == round * RING + own + 1);
    if (own + 1 < RING) {
      arrived = own + 1;
      go(&ring[own + 1]);
    } else {
      go_to_main();
    }
  }
}

static void talk(void) {
  message = strdup("");
  for (int index = 0; index < RING; ++index) {
    make(&ring[index], pass_on);
  }
  for (int round = 0; round < 3; ++round) {
    arrived = 0;
    go(&ring[0]);
  }
  printf("%s\n", message);
  for (int index = 0; index < RING; ++index) {
    destroy(&ring[index]);
  }
}

/* ---- Waiting, files and memory inside a context ---- */
static void use_system(void) {
  CHECK(wasix_thread_sleep(2000000) == 0);
  char* const block = malloc(1 << 20); /* memory grows */
  memset(block, 7, 1 << 20);
  printf("from a context, %d\n", block[(1 << 20) - 1]);
  message = block;
  go_to_main();
}

static void system_calls(void) {
  coroutine user;
  make(&user, use_system);
  go(&user);
  CHECK(message[12345] == 7);
  destroy(&user);
}

/* ---- Errors and limits ---- */
static void with_parameter(int number) { (void)number; }
static void back(void) { go_to_main(); }

static void errors(void) {
  uint64_t id = 77;
  CHECK(wasix_context_create(&id, (void (*)(void))(uintptr_t)0) == EINVAL);
  CHECK(wasix_context_create(&id, (void (*)(void))(uintptr_t)with_parameter) == EINVAL);
  CHECK(wasix_context_create(&id, (void (*)(void))(uintptr_t)1000000) == EINVAL);
  CHECK(wasix_context_create((uint64_t*)(uintptr_t)-8, back) == EFAULT);
  CHECK(id == 77);
  CHECK(wasix_context_switch(1234) == EINVAL);
  CHECK(wasix_context_switch(WASIX_CONTEXT_MAIN) == 0);
  CHECK(wasix_context_destroy(WASIX_CONTEXT_MAIN) == EINVAL);
  CHECK(wasix_context_destroy(1234) == 0);
  coroutine once;
  make(&once, back);
  go(&once);
  destroy(&once);
  CHECK(wasix_context_switch(once.id) == EINVAL);
  CHECK(wasix_context_destroy(once.id) == 0);
}

static void limit(void) {
  uint64_t id, last = 0;
  int count = 0, error;
  while ((error = wasix_context_create(&id, back)) == 0) {
    CHECK(id > last);
    last = id;
    ++count;
  }
  printf("%d contexts, errno %d\n", count, error);
  CHECK(wasix_context_destroy(last) == 0);
  CHECK(wasix_context_create(&id, back) == 0 && id > last);
}

static void returns(void) {}
static void traps(void) { __builtin_trap(); }
static void leaves(void) { exit(23); }
static void spins(void) {
  for (volatile int forever = 1; forever;) {
  }
}

static void end_in(void (*entry)(void)) {
  coroutine last;
  make(&last, entry);
  go(&last);
  CHECK(!"here");
}

int main(int argc, char** argv) {
  const char* const what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "generator") == 0) {
    generator();
  } else if (strcmp(what, "talk") == 0) {
    talk();
  } else if (strcmp(what, "system") == 0) {
    system_calls();
  } else if (strcmp(what, "errors") == 0) {
    errors();
  } else if (strcmp(what, "limit") == 0) {
    limit();
  } else if (strcmp(what, "returns") == 0) {
    end_in(returns);
  } else if (strcmp(what, "traps") == 0) {
    end_in(traps);
  } else if (strcmp(what, "leaves") == 0) {
    end_in(leaves);
  } else if (strcmp(what, "spins") == 0) {
    end_in(spins);
  } else {
    return 2;
  }
  printf("ok\n");
  return 0;
}
