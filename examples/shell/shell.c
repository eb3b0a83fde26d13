// A small shell: it starts the commands of its package, and files, as children, and connects them
// with pipes and files. parse.h describes its language.
//
//   shell            reads lines from standard input; with a prompt when that is a terminal
//   shell -c LINES
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "wasix.h"
#include "working_directory.h"

enum { kStatusUsage = 2, kStatusCannotRun = 126, kStatusNotFound = 127, kStatusSignal = 128 };

static int last_status;

static int complain(const char* what, const char* problem, int status) {
  fprintf(stderr, "shell: %s: %s\n", what, problem);
  return status;
}

// ---- Commands of the shell itself ----

typedef int (*Builtin)(const Stage* stage, int output);

// write(2) as long as it takes. 0 or an errno.
static int write_all(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t count = write(fd, bytes, size);
    if (count < 0) {
      return errno;
    }
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

static int write_line(const char* who, int output, char* line, size_t size) {
  line[size] = '\n';
  const int error = write_all(output, line, size + 1);
  return error == 0 ? 0 : complain(who, strerror(error), 1);
}

static int echo(const Stage* stage, int output) {
  char line[kTextBytesMax + 1];  // the words fill kTextBytesMax with their ends, here blanks
  size_t size = 0;
  for (int i = 1; i < stage->count; ++i) {
    if (i > 1) {
      line[size++] = ' ';
    }
    const size_t length = strlen(stage->words[i]);
    memcpy(line + size, stage->words[i], length);
    size += length;
  }
  return write_line("echo", output, line, size);
}

static int print_directory(const Stage* stage, int output) {
  (void)stage;
  char path[PATH_MAX + 1];
  const int error = enter_working_directory(path);
  return error != 0 ? complain("pwd", strerror(error), 1)
                    : write_line("pwd", output, path, strlen(path));
}

static int change_directory(const Stage* stage, int output) {
  (void)output;
  const char* const home = getenv("HOME");
  const char* const to = stage->count > 1 ? stage->words[1] : home != NULL ? home : "/";
  const int error = change_working_directory(to);
  return error == 0 ? 0 : complain(to, strerror(error), 1);
}

static int leave(const Stage* stage, int output) {
  (void)output;
  exit(stage->count > 1 ? atoi(stage->words[1]) & 255 : last_status);
}

static const struct {
  const char* name;
  Builtin run;
  int changes_shell;  // so it cannot be a stage of several
} kBuiltins[] = {{"cd", change_directory, 1},
                 {"pwd", print_directory, 0},
                 {"echo", echo, 0},
                 {"exit", leave, 1}};

// ---- Pipelines ----

typedef struct {
  int32_t pid;  // 0: there is no process, and `status` is known
  int status;
} Child;

// Children get only what is put onto 0 and 1 for them.
static int keep_from_children(int fd) { return wasix_fd_flags_set(fd, WASIX_FD_CLOEXEC); }

static int open_file(const char* path, int flags) {
  const int fd = open(path, flags, 0666);
  if (fd >= 0) {
    keep_from_children(fd);
  }
  return fd;
}

static Child start(const Stage* stage, int input, int output) {
  char arguments[kTextBytesMax];
  size_t size = 0;
  for (int i = 0; i < stage->count; ++i) {
    const size_t length = strlen(stage->words[i]);
    memcpy(arguments + size, stage->words[i], length);
    size += length;
    arguments[size++] = '\n';
  }
  const wasix_spawn_operation operations[] = {
      {.command = WASIX_SPAWN_DUP2, .fd = 0, .source_fd = input},
      {.command = WASIX_SPAWN_DUP2, .fd = 1, .source_fd = output}};
  const char* const name = stage->words[0];
  Child child = {0};
  const int error = wasix_proc_spawn(name, strlen(name), arguments, size, NULL, 0, operations, 2,
                                     NULL, 0, 1, NULL, 0, &child.pid);
  if (error != 0) {
    child.pid = 0;
    child.status = error == ENOENT ? complain(name, "not found", kStatusNotFound)
                                   : complain(name, strerror(error), kStatusCannotRun);
  }
  return child;
}

// Redirections go before pipes.
static Child run_stage(const Stage* stage, int input, int output, int is_alone) {
  Child child = {.pid = 0, .status = 1};
  int in = input, out = output;
  if (stage->input != NULL && (in = open_file(stage->input, O_RDONLY)) < 0) {
    complain(stage->input, strerror(errno), 1);
    return child;
  }
  const int how = O_WRONLY | O_CREAT | (stage->append ? O_APPEND : O_TRUNC);
  if (stage->output != NULL && (out = open_file(stage->output, how)) < 0) {
    complain(stage->output, strerror(errno), 1);
  } else {
    size_t i = 0;
    const size_t count = sizeof(kBuiltins) / sizeof(kBuiltins[0]);
    while (i < count && strcmp(kBuiltins[i].name, stage->words[0]) != 0) {
      ++i;
    }
    if (i == count) {
      child = start(stage, in, out);
    } else if (kBuiltins[i].changes_shell && !is_alone) {
      complain(stage->words[0], "not in a pipeline", 1);
    } else {
      // A pipe holds more than a line can make, so this waits for no reader.
      child.status = kBuiltins[i].run(stage, out);
    }
  }
  if (stage->input != NULL) {
    close(in);
  }
  if (stage->output != NULL && out >= 0) {
    close(out);
  }
  return child;
}

static int wait_for(Child child) {
  if (child.pid == 0) {
    return child.status;
  }
  wasix_option_pid wanted = {.tag = 1, .pid = child.pid};
  wasix_join_status status;
  const int error = wasix_proc_join(&wanted, 0, &status);
  if (error != 0) {
    return complain("cannot wait", strerror(error), kStatusCannotRun);
  }
  return status.tag == 1 ? status.exit_code : kStatusSignal + status.signal;
}

// The status of the last stage.
static int run_pipeline(const Pipeline* pipeline) {
  Child children[kStagesMax] = {{0}};
  int input = 0;
  for (int i = 0; i < pipeline->count; ++i) {
    int32_t reader = 0, writer = 1;
    if (i + 1 < pipeline->count) {
      const int error = wasix_fd_pipe(&reader, &writer);
      if (error != 0) {
        exit(complain("pipe", strerror(error), kStatusCannotRun));  // and all children with it
      }
      keep_from_children(reader);
      keep_from_children(writer);
    }
    children[i] = run_stage(&pipeline->stages[i], input, writer, pipeline->count == 1);
    if (input != 0) {
      close(input);
    }
    if (writer != 1) {
      close(writer);
    }
    input = reader;
  }
  int status = 0;
  for (int i = 0; i < pipeline->count; ++i) {
    status = wait_for(children[i]);
  }
  return status;
}

// ---- Lines ----

static void run_line(const char* line) {
  static Pipeline pipeline;
  int skip = 0;
  do {
    const char* const problem = parse_pipeline(&line, last_status, &pipeline);
    if (problem != NULL) {
      last_status = complain("syntax", problem, kStatusUsage);
      return;
    }
    if (pipeline.count > 0 && !skip) {
      last_status = run_pipeline(&pipeline);
    }
    // a && b && c: when a fails, b and c are left out; what follows `;` is not.
    skip = pipeline.join == kAndThen && last_status != 0;
  } while (pipeline.join != kEndOfLine);
}

// Byte by byte, because what follows the line belongs to the commands that read standard input.
// False at the end of input.
static int read_line(char* line) {
  size_t size = 0;
  char byte;
  ssize_t count;
  while ((count = read(0, &byte, 1)) == 1 && byte != '\n') {
    if (size < kLineBytesMax) {
      line[size] = byte;
    }
    ++size;
  }
  if (size >= kLineBytesMax) {
    last_status = complain("a line", "too long", kStatusUsage);
    size = 0;
  }
  line[size] = '\0';
  return count == 1 || size > 0;
}

static int run_text(const char* text) {
  char line[kLineBytesMax];
  while (*text != '\0') {
    const size_t size = strcspn(text, "\n");
    if (size >= sizeof(line)) {
      return complain("a line", "too long", kStatusUsage);
    }
    memcpy(line, text, size);
    line[size] = '\0';
    run_line(line);
    text += size + (text[size] == '\n');
  }
  return last_status;
}

int main(int argc, char** argv) {
  char line[PATH_MAX > kLineBytesMax ? PATH_MAX : kLineBytesMax];
  enter_working_directory(line);
  if (argc == 3 && strcmp(argv[1], "-c") == 0) {
    return run_text(argv[2]);
  }
  if (argc != 1) {
    return complain("usage", "shell [-c LINES]", kStatusUsage);
  }
  const int prompts = isatty(0);
  for (;;) {
    if (prompts) {
      write_all(1, "$ ", 2);
    }
    if (!read_line(line)) {
      return last_status;
    }
    run_line(line);
  }
}
