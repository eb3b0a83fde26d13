// Asks for and changes the terminal's modes with WASIX's own calls: what its first argument says.
// Prints a line that begins with "ready" once the modes are set.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tty {
  uint32_t columns, rows, width, height;
  uint8_t standard[3];
  uint8_t echo, line_buffered, line_feeds;
  uint8_t padding[2];
};

__attribute__((import_module("wasix_32v1"), import_name("tty_get"))) int32_t
tty_get(struct tty* state);
__attribute__((import_module("wasix_32v1"), import_name("tty_set"))) int32_t
tty_set(struct tty* state);
__attribute__((import_module("wasix_32v1"), import_name("callback_signal"))) void callback_signal(
    const char* name, size_t length);

enum { kWindowChanged = 28 };

static struct tty get(void) {
  struct tty state;
  int error = tty_get(&state);
  if (error != 0) {
    printf("tty_get: %d\n", error);
    exit(1);
  }
  return state;
}

static void set(int echo, int line_buffered) {
  struct tty state = get();
  state.echo = (uint8_t)echo;
  state.line_buffered = (uint8_t)line_buffered;
  int error = tty_set(&state);
  if (error != 0) {
    printf("tty_set: %d\n", error);
    exit(1);
  }
}

static void show(const char* word) {
  struct tty state = get();
  printf("%s %ux%u %ux%u", word, state.columns, state.rows, state.width, state.height);
  printf(" %d%d%d", state.standard[0], state.standard[1], state.standard[2]);
  printf(" %d%d%d\n", state.echo, state.line_buffered, state.line_feeds);
  fflush(stdout);
}

// Shows each key as it comes, in hexadecimal, until q.
static void show_keys(void) {
  for (unsigned char key = 0; key != 'q' && read(0, &key, 1) == 1;) {
    printf("<%02x>", key);
    fflush(stdout);
  }
}

// Called after a host call during which a signal came, once callback_signal has named it.
__attribute__((export_name("__wasm_signal"))) void handle_signal(int32_t signal) {
  if (signal == kWindowChanged) {
    show("size");
  }
}

// Shows each new size as it is told of it, until q.
static void watch_size(void) {
  static const char kHandler[] = "__wasm_signal";
  callback_signal(kHandler, sizeof(kHandler) - 1);
  show("ready");
  for (unsigned char key = 0; key != 'q';) {
    if (read(0, &key, 1) != 1 && errno != EINTR) {
      exit(1);
    }
  }
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "show") == 0) {
    show("ready");
  } else if (strcmp(what, "keys") == 0) {
    set(0, 0);
    show("ready");
    show_keys();
  } else if (strcmp(what, "silent") == 0) {
    set(0, 1);
    show("ready");
    char line[64];
    ssize_t count = read(0, line, sizeof(line));
    printf("got %d: %.*s", (int)count, (int)count, line);
  } else if (strcmp(what, "resize") == 0) {
    set(0, 0);
    show("ready");
    show_keys();
    show("then");
  } else if (strcmp(what, "watch") == 0) {
    set(0, 0);
    watch_size();
  } else if (strcmp(what, "trap") == 0) {
    set(0, 0);
    show("ready");
    __builtin_trap();
  } else if (strcmp(what, "spin") == 0) {
    set(0, 0);
    show("ready");
    for (volatile unsigned long i = 0;; ++i) {
    }
  }
  return 0;
}
