/* Asyncified: fork, vfork, setjmp and longjmp. The first argument says what to do; "ok" is the last
 * line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/libc.h>

#include "wasix.h"

static void check(int condition, const char* what) {
  if (!condition) {
    fprintf(stderr, "not so: %s\n", what);
    _Exit(1);
  }
}

static int32_t fork_process(void) {
  int32_t pid = -1;
  const int error = wasix_proc_fork(1, &pid);
  return error == 0 ? pid : -error;
}

/* The exit code of this child, or of any when 0; 256 plus a signal; -1 without children. */
static int wait_for(int32_t pid) {
  wasix_option_pid wanted = {.tag = pid != 0, .pid = pid};
  wasix_join_status status;
  if (wasix_proc_join(&wanted, 0, &status) != 0) {
    return -1;
  }
  return status.tag == 1 ? status.exit_code : 256 + status.signal;
}

static void execute(const char* program, const char* argument) {
  char arguments[256];
  const int length = snprintf(arguments, sizeof(arguments), "%s\n%s\n", program, argument);
  wasix_proc_exec(program, strlen(program), arguments, (size_t)length, NULL, 0, 0, NULL, 0);
  _Exit(127);
}

/* ---- The programs of the pipeline ---- */

static int produce(void) {
  for (int line = 1; line <= 20000; ++line) {
    printf("line %d\n", line);
  }
  return 0;
}

static int upper(void) {
  for (int letter; (letter = getchar()) != EOF;) {
    putchar(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
  }
  return 0;
}

static int count(void) {
  int lines = 0, capitals = 0;
  for (int letter; (letter = getchar()) != EOF;) {
    lines += letter == '\n';
    capitals += letter >= 'A' && letter <= 'Z';
  }
  printf("%d lines, %d capitals\n", lines, capitals);
  return 0;
}

/* produce | upper | count, as a shell does it. */
static int pipeline(const char* program) {
  static const char* const parts[] = {"produce", "upper", "count"};
  int32_t input = -1, children[3];
  for (int index = 0; index < 3; ++index) {
    int32_t reader = -1, writer = -1;
    check(index == 2 || wasix_fd_pipe(&reader, &writer) == 0, "a pipe");
    children[index] = fork_process();
    check(children[index] >= 0, "a child");
    if (children[index] == 0) {
      if (input >= 0) {
        check(__wasilibc_fd_renumber(input, 0) == 0, "dup2");
      }
      if (writer >= 0) {
        close(reader);
        check(__wasilibc_fd_renumber(writer, 1) == 0, "dup2");
      }
      execute(program, parts[index]);
    }
    if (input >= 0) {
      close(input);
    }
    if (writer >= 0) {
      close(writer);
    }
    input = reader;
  }
  for (int index = 0; index < 3; ++index) {
    check(wait_for(children[index]) == 0, "each part ends with 0");
  }
  return 0;
}

/* ---- What a child has and its parent has not ---- */

static int global_number = 1;

static int deep(int depth, int* sum) {
  volatile int local = depth;
  if (depth == 0) {
    return fork_process();
  }
  const int32_t pid = deep(depth - 1, sum);
  *sum += local;
  return pid;
}

static int independent(void) {
  int stack_number = 1;
  int* heap_number = malloc(1000000);
  *heap_number = 1;
  int32_t self, reader, writer, sum = 0;
  wasix_proc_id(&self);
  check(wasix_fd_pipe(&reader, &writer) == 0, "a pipe");
  const int32_t pid = deep(100, &sum);
  check(sum == 5050, "the frames of both are whole");
  if (pid == 0) {
    int32_t child, parent;
    wasix_proc_id(&child);
    check(child != self, "a child has a number of its own");
    check(wasix_proc_parent(child, &parent) == 0 && parent == self, "its parent is the caller");
    global_number = stack_number = *heap_number = 2;
    close(reader);
    check(write(writer, "child", 5) == 5, "the pipe is shared");
    _Exit(7);
  }
  close(writer);
  char text[16];
  check(read(reader, text, sizeof(text)) == 5 && memcmp(text, "child", 5) == 0, "the child wrote");
  check(read(reader, text, sizeof(text)) == 0, "no writer is left");
  check(wait_for(pid) == 7, "its exit code");
  check(global_number == 1 && stack_number == 1 && *heap_number == 1, "the parent's memory stays");
  /* The other way round, after the image has been shared once. */
  const int32_t second = fork_process();
  if (second == 0) {
    const int32_t grandchild = fork_process();
    if (grandchild == 0) {
      _Exit(global_number + *heap_number);
    }
    global_number = 40;
    _Exit(global_number + wait_for(grandchild));
  }
  global_number = 100;
  check(wait_for(second) == 42, "a child that forks");
  check(wait_for(0) == -1, "no child is left");
  return 0;
}

static int bomb(void) {
  int32_t pid;
  while ((pid = fork_process()) > 0) {
  }
  if (pid == 0) {
    /* Until the first process ends. */
    for (;;) {
      fork_process();
    }
  }
  printf("errno %d\n", -pid);
  return 0;
}

static int touched(int rounds) {
  const size_t size = (size_t)64 << 20;
  unsigned char* memory = malloc(size);
  for (size_t offset = 0; offset < size; offset += 4096) {
    memory[offset] = (unsigned char)(offset >> 12);
  }
  for (int round = 0; round < rounds; ++round) {
    memory[0] = (unsigned char)round;
    const int32_t pid = fork_process();
    check(pid >= 0, "a child");
    if (pid == 0) {
      int same = memory[0] == (unsigned char)round;
      if (round == 0) {
        for (size_t offset = 4096; offset < size; offset += 4096) {
          same &= memory[offset] == (unsigned char)(offset >> 12);
        }
        memset(memory, 1, size);
      }
      _Exit(same ? 3 : 4);
    }
    check(wait_for(pid) == 3, "the child sees what the parent wrote");
    check(memory[0] == (unsigned char)round && memory[8192] == 2, "and the parent nothing of it");
  }
  return 0;
}

static int vfork_and_exec(const char* program) {
  int32_t pid = -1;
  int32_t reader, writer;
  check(wasix_fd_pipe(&reader, &writer) == 0, "a pipe");
  const int error = wasix_proc_fork(0, &pid);
  check(error == 0, "vfork");
  if (pid == 0) {
    check(write(writer, "first", 5) == 5, "the child runs before its parent");
    execute(program, "seven");
  }
  check(write(writer, "second", 6) == 6, "the parent goes on");
  char text[16] = {0};
  check(read(reader, text, sizeof(text)) == 11 && strcmp(text, "firstsecond") == 0, "the order");
  check(wait_for(pid) == 7, "the exit code of the other program");
  check(wasix_proc_fork(0, &pid) == 0, "vfork");
  if (pid == 0) {
    _Exit(9);
  }
  check(wait_for(pid) == 9, "the exit code");
  return 0;
}

/* ---- setjmp and longjmp ---- */

static wasix_stack_snapshot outer;

static uint64_t set_jump(wasix_stack_snapshot* place) {
  uint64_t value = 0;
  check(wasix_stack_checkpoint(place, &value) == 0, "setjmp");
  return value;
}

static void leave_from(int depth) {
  volatile char frame[100];
  frame[0] = (char)depth;
  if (depth == 0) {
    wasix_stack_restore(&outer, 5);
  }
  leave_from(depth - 1);
  check(frame[0] == (char)depth, "never reached");
}

static int jumps(void) {
  volatile int kept = 1;
  const uint64_t value = set_jump(&outer);
  if (value == 0) {
    kept = 2;
    leave_from(200);
    return 1;
  }
  check(value == 5 && kept == 2, "the value and what is volatile");
  /* Again and again, with one inside another. */
  volatile int rounds = 0;
  if (set_jump(&outer) < 100) {
    wasix_stack_snapshot inner;
    volatile int inner_rounds = 0;
    if (set_jump(&inner) == 0 || inner_rounds < 10) {
      ++inner_rounds;
      wasix_stack_restore(&inner, 1);
    }
    ++rounds;
    wasix_stack_restore(&outer, (uint64_t)rounds);
  }
  check(rounds == 100, "a hundred returns");
  /* Many more than are kept, over the same record. */
  for (int count = 0; count < 5000; ++count) {
    wasix_stack_snapshot place;
    check(set_jump(&place) == 0, "each is the first return");
  }
  /* A copy of a record, and a child that goes back to its parent's place. */
  volatile int32_t pid = -1;
  const uint64_t in_child = set_jump(&outer);
  if (in_child == 11) {
    check(pid == 0, "in the child");
    _Exit(11);
  }
  wasix_stack_snapshot copy = outer;
  pid = fork_process();
  if (pid == 0) {
    wasix_stack_restore(&copy, 11);
  }
  check(wait_for(pid) == 11, "the child jumped");
  return 0;
}

static int forged(int kind) {
  wasix_stack_snapshot place;
  memset(&place, kind == 0 ? 0x41 : 0, sizeof(place));
  wasix_stack_restore(&place, 1);
  return 0;
}

/* A fork under this many frames; too many and the saving traps. */
static int many_frames(int depth) {
  int sum = 0;
  const int32_t pid = deep(depth, &sum);
  check(sum == depth * (depth + 1) / 2, "the frames of both are whole");
  if (pid == 0) {
    _Exit(3);
  }
  check(wait_for(pid) == 3, "the child ends");
  return 0;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  int code = 2;
  if (strcmp(what, "produce") == 0) {
    return produce();
  }
  if (strcmp(what, "upper") == 0) {
    return upper();
  }
  if (strcmp(what, "count") == 0) {
    return count();
  }
  if (strcmp(what, "seven") == 0) {
    return 7;
  }
  if (strcmp(what, "pipeline") == 0) {
    code = pipeline(argv[2]);
  }
  if (strcmp(what, "independent") == 0) {
    code = independent();
  }
  if (strcmp(what, "bomb") == 0) {
    code = bomb();
  }
  if (strcmp(what, "touched") == 0) {
    code = touched(atoi(argv[2]));
  }
  if (strcmp(what, "vfork") == 0) {
    code = vfork_and_exec(argv[2]);
  }
  if (strcmp(what, "jumps") == 0) {
    code = jumps();
  }
  if (strcmp(what, "forged") == 0) {
    code = forged(0);
  }
  if (strcmp(what, "none") == 0) {
    code = forged(1);
  }
  if (strcmp(what, "deep") == 0) {
    code = many_frames(atoi(argv[2]));
  }
  if (code == 0) {
    puts("ok");
  }
  return code;
}
